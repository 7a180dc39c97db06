package tidemill

import "fmt"

// A Level says how urgent a line of the log is.
type Level uint8

// The levels of the log, in their order.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

// Log writes a line for the operator, in the host's own log: at most 4 KiB. A batch that is tried again logs again.
func Log(level Level, message string) { host.Log(level, message) }

// Logf writes a line as fmt.Printf does, if lines of this level are kept.
func Logf(level Level, format string, args ...any) {
	if host.LogEnabled(level) {
		host.Log(level, fmt.Sprintf(format, args...))
	}
}

// LogEnabled says whether lines of this level are kept. It depends on the configuration only.
func LogEnabled(level Level) bool { return host.LogEnabled(level) }
