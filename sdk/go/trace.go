package tidemill

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Tidemill keeps 4 KiB of a reason.
const traceBytesMax = 4 << 10

// What of it a panic's own words may take, so that there is room for the place.
const saidBytesMax = 1 << 10

// Makes a rejection of a panic: what it said, and where, the innermost function first.
func recovered(err *error, index int) {
	if reason := recover(); reason != nil {
		*err = &RejectError{index, "panic: " + trace(reason)}
	}
}

func trace(reason any) string {
	var places [64]uintptr
	// Callers, trace, recovered and panic itself do not matter.
	frames := runtime.CallersFrames(places[:runtime.Callers(4, places[:])])
	var said strings.Builder
	words := fmt.Sprint(reason)
	said.WriteString(words[:min(len(words), saidBytesMax)] + "\n")
	for {
		frame, more := frames.Next()
		if isUsers(frame.Function) {
			line := fmt.Sprintf("\n%s\n\t%s:%d", frame.Function, frame.File, frame.Line)
			if said.Len()+len(line) > traceBytesMax {
				break
			}
			said.WriteString(line)
		}
		if !more {
			break
		}
	}
	return said.String()
}

// What is below and around the processor's own functions, by the beginnings of their names.
var others = []string{
	"runtime.", "testing.", "tidemill:processor/",
	"github.com/tidemill/tidemill/sdk/go.", "github.com/tidemill/tidemill/sdk/go/",
}

func isUsers(function string) bool {
	is := func(beginning string) bool { return strings.HasPrefix(function, beginning) }
	return function != "" && !slices.ContainsFunc(others, is)
}
