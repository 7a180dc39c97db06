package tidemill

import (
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/tidemill/tidemill/sdk/go/internal/bindings/tidemill_processor_types"
	"github.com/tidemill/tidemill/sdk/go/internal/wit/types"
)

// How values cross the border: the bindings' on the one side, this package's on the other.

func optional(o types.Option[tidemill_processor_types.Value]) Value {
	if o.Tag() == types.OptionNone {
		return Value{}
	}
	return value(o.Some())
}

// Nobody else has the bytes that the host put into memory, so they need no copy.
func value(v tidemill_processor_types.Value) Value {
	if v.Tag() == tidemill_processor_types.ValueText {
		return Value{text, v.Text()}
	}
	bytes := v.Bytes()
	return Value{binary, unsafe.String(unsafe.SliceData(bytes), len(bytes))}
}

// The host reads the bytes and does not change them, so they need no copy either.
func binding(v Value) tidemill_processor_types.Value {
	if v.IsText() {
		return tidemill_processor_types.MakeValueText(v.data)
	}
	return tidemill_processor_types.MakeValueBytes(unsafe.Slice(unsafe.StringData(v.data), len(v.data)))
}

// Text that crosses must be UTF-8; a string of Go need not be.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func cleanAll(all []string) []string {
	cleaned := make([]string, len(all))
	for i, s := range all {
		cleaned[i] = clean(s)
	}
	return cleaned
}
