package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tidemill "github.com/tidemill/tidemill/sdk/go"
)

func describe(e tidemill.Event, i instruction) error {
	optional := func(given bool, value string) string {
		if !given {
			return "-"
		}
		return value
	}
	lines := []string{
		"feed=" + e.Feed,
		"partition=" + e.Partition,
		"index=" + strconv.Itoa(e.Index),
		"id=" + optional(e.HasID(), e.ID),
		"kind=" + optional(e.HasKind(), e.Kind),
		"key=" + optional(e.HasKey(), e.Key),
		"occurred-at=" + optional(e.HasOccurredAt(), strconv.FormatInt(e.OccurredAt.UnixMicro(), 10)),
	}
	for _, header := range e.Headers {
		lines = append(lines, fmt.Sprintf("header %s=%s", header.Name, header.Value))
	}
	tidemill.Put(i.Into, strings.Join(append(lines, "data="+rendered(e.Data)), "\n"))
	return nil
}

func config(_ tidemill.Event, i instruction) error {
	if value, ok := tidemill.Config(i.Name); ok {
		tidemill.Put(i.Into, value)
	} else {
		tidemill.Delete(i.Into)
	}
	return nil
}

func configAll(_ tidemill.Event, i instruction) error {
	var lines []string
	for _, setting := range tidemill.ConfigAll() {
		lines = append(lines, setting.Name+"="+setting.Value)
	}
	tidemill.Put(i.Into, strings.Join(lines, "\n"))
	return nil
}

func level(name string) (tidemill.Level, error) {
	at := slices.Index([]string{"trace", "debug", "info", "warn", "error"}, name)
	if at < 0 {
		return 0, notAnInstruction(fmt.Errorf("%q is no level", name))
	}
	return tidemill.Level(at), nil
}

func log(_ tidemill.Event, i instruction) error {
	level, err := level(i.Level)
	if err == nil {
		tidemill.Log(level, i.Message)
	}
	return err
}

func logEnabled(_ tidemill.Event, i instruction) error {
	level, err := level(i.Level)
	if err == nil {
		tidemill.Put(i.Into, strconv.FormatBool(tidemill.LogEnabled(level)))
	}
	return err
}

func reject(e tidemill.Event, i instruction) error {
	index := e.Index
	if i.Index != nil {
		index = int(*i.Index)
	}
	return tidemill.Reject(index, i.Reason)
}

func retry(_ tidemill.Event, i instruction) error {
	const longest = uint64(time.Hour / time.Millisecond) // what is longer counts as this
	return tidemill.Retry(time.Duration(min(i.AfterMs, longest))*time.Millisecond, i.Reason)
}

func halt(_ tidemill.Event, i instruction) error { return tidemill.Halt(i.Reason) }

func throw(_ tidemill.Event, i instruction) error { panic(i.Message) }

// A global that lives as long as the instance does: for one call, unless the operator says otherwise.
var calls int

func global(_ tidemill.Event, i instruction) error {
	calls++
	tidemill.Put(i.Into, strconv.Itoa(calls))
	return nil
}
