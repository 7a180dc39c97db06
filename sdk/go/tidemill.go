// Package tidemill is what a Go program needs to be an event processor of Tidemill: it is given batches of events, reads and
// writes its state, and Tidemill commits the writes together with the place in the feed. So every event counts exactly once.
//
//	package main
//
//	import (
//		"fmt"
//
//		tidemill "github.com/tidemill/tidemill/sdk/go"
//	)
//
//	func init() { tidemill.Each(remember) }
//
//	func main() {} // Go wants it; Tidemill calls what init registered.
//
//	func remember(e tidemill.Event) error {
//		var user struct {
//			ID   string `json:"id"`
//			Name string `json:"name"`
//		}
//		if err := e.JSON(&user); err != nil {
//			return fmt.Errorf("not a user: %w", err) // rejects this event
//		}
//		tidemill.Put("user/"+user.ID, user.Name)
//		return nil
//	}
//
// What a processor can observe is a function of the batch, its state and its configuration: the clock stands at 1970 and only ticks,
// random numbers are the same in each instance, and there is no environment, file or socket. The order of a map must not get into the
// state. What is printed, also by the package log, goes to the host's log.
//
// Natively, in go test, there is no host: the package tidemilltest has one.
package tidemill

var process func(Batch) error

// Each registers what is called for each event, in order. Call it once, from an init function.
//
// An error rejects that event, unless it is or wraps a [Retry] or a [Halt]. So does a panic, with its stack.
func Each(f func(Event) error) {
	Process(func(b Batch) error {
		for _, e := range b.Events {
			if err := one(f, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Process registers what is called for each batch: for processors that read and write the state once for all events of a batch.
// Call it once, from an init function.
//
// An error that neither is nor wraps a [Reject], a [Retry] or a [Halt] rejects the event that causes it: Tidemill searches for it, with
// smaller and smaller parts of the batch.
func Process(f func(Batch) error) {
	if process != nil {
		panic("tidemill.Each or tidemill.Process is called a second time: a program is one processor")
	}
	process = f
}

// The Index of a rejection of "one of these events, I do not know which".
const unknown = -1

// Run gives a batch to what Each or Process registered, with the functions of this package answered by h. The error is nil, a
// *[RejectError], a *[RetryError] or a *[HaltError]. Tests call it through tidemilltest.
func Run(h Host, b Batch) error {
	if process == nil {
		return &HaltError{"the program registers nothing: call tidemill.Each or tidemill.Process from an init function"}
	}
	before := host
	host = h
	defer func() { host = before }()
	return whole(process, b)
}

// The error's own method Error may panic as well: that of a nil pointer usually does.

func one(f func(Event) error, e Event) (err error) {
	defer recovered(&err, e.Index)
	return rejected(f(e), e.Index)
}

func whole(f func(Batch) error, b Batch) (err error) {
	defer recovered(&err, unknown)
	return rejected(f(b), unknown)
}
