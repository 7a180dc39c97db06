package tidemill

import (
	"encoding/hex"
	"strings"
)

// A Value is an event's payload or what stands under a key of the state: text or bytes. What is put as text is read as text.
//
// The zero Value is no value, as a key has that is not there.
type Value struct {
	kind valueKind
	data string
}

type valueKind uint8

const (
	none valueKind = iota
	text
	binary
)

// Text is a value of text. It must be UTF-8; what is not is replaced by U+FFFD.
func Text(s string) Value { return Value{text, strings.ToValidUTF8(s, "\uFFFD")} }

// Bytes is a value of bytes.
func Bytes(b []byte) Value { return Value{binary, string(b)} }

// IsNone says whether there is no value.
func (v Value) IsNone() bool { return v.kind == none }

// IsText says whether the value is text.
func (v Value) IsText() bool { return v.kind == text }

// IsBytes says whether the value is bytes.
func (v Value) IsBytes() bool { return v.kind == binary }

// Text is the text of a value that is text.
func (v Value) Text() (s string, ok bool) {
	if v.kind != text {
		return "", false
	}
	return v.data, true
}

// Bytes are the bytes of either kind of value, nil if there is no value. They are yours to change.
func (v Value) Bytes() []byte {
	if v.kind == none {
		return nil
	}
	return []byte(v.data)
}

// String shows a value to people: text as it is, bytes in hexadecimal.
func (v Value) String() string {
	switch v.kind {
	case text:
		return v.data
	case binary:
		return hex.EncodeToString([]byte(v.data))
	default:
		return ""
	}
}
