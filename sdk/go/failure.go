package tidemill

import (
	"errors"
	"time"
)

// A RejectError says that an event can never be applied. What happens then is the operator's choice (on-reject): the partition
// halts, or the event is parked or skipped.
type RejectError struct {
	Index  int // the event's place in the batch; -1 if nobody knows it, and Tidemill searches
	Reason string
}

func (e *RejectError) Error() string { return e.Reason }

// A RetryError says that the world is not ready.
type RetryError struct {
	After  time.Duration
	Reason string
}

func (e *RetryError) Error() string { return e.Reason }

// A HaltError says to go no further on this partition.
type HaltError struct{ Reason string }

func (e *HaltError) Error() string { return e.Reason }

// Reject is the error that rejects the event at a place of the batch. In a function for [Each] any error rejects its event.
func Reject(index int, reason string) error { return &RejectError{index, reason} }

// Retry is the error that asks for the same batch again, after a wait, which is rounded up to milliseconds
// and is at most an hour. No event is blamed.
func Retry(after time.Duration, reason string) error { return &RetryError{after, reason} }

// Halt is the error that stops the partition until a person has looked. The reason is shown to them.
func Halt(reason string) error { return &HaltError{reason} }

// What an error means, and a rejection of the event at index if it means nothing special. What wraps a special error adds to
// its reason.
func rejected(err error, index int) error {
	if err == nil {
		return nil
	}
	if reject, ok := errors.AsType[*RejectError](err); ok {
		return &RejectError{reject.Index, err.Error()}
	}
	if retry, ok := errors.AsType[*RetryError](err); ok {
		return &RetryError{retry.After, err.Error()}
	}
	if _, ok := errors.AsType[*HaltError](err); ok {
		return &HaltError{err.Error()}
	}
	return &RejectError{index, err.Error()}
}
