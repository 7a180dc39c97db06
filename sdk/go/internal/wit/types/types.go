// Package types has the types of the contract's language that Go lacks, as the generated bindings use them.
package types

// The tags of an [Option] and of a [Result].
const (
	OptionNone uint8 = 0
	OptionSome uint8 = 1
	ResultOk   uint8 = 0
	ResultErr  uint8 = 1
)

// Unit is the type of nothing.
type Unit = struct{}

// An Option is a value or none.
type Option[T any] struct {
	tag   uint8
	value T
}

// Some is an option with a value.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// None is an option without one.
func None[T any]() Option[T] { return Option[T]{} }

// Tag says whether there is a value.
func (o Option[T]) Tag() uint8 { return o.tag }

// Some is the value, or the zero value if there is none.
func (o Option[T]) Some() T { return o.value }

// A Result is what a function gives, or why it gives nothing.
type Result[T, E any] struct {
	tag uint8
	ok  T
	err E
}

// Ok is the result of a function that did what was asked.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{tag: ResultOk, ok: value} }

// Err is the result of a function that did not.
func Err[T, E any](err E) Result[T, E] { return Result[T, E]{tag: ResultErr, err: err} }

// Tag says which of the two it is.
func (r Result[T, E]) Tag() uint8 { return r.tag }

// Ok is what the function gave.
func (r Result[T, E]) Ok() T { return r.ok }

// Err is why it gave nothing.
func (r Result[T, E]) Err() E { return r.err }

// A Tuple2 is two values.
type Tuple2[T0, T1 any] struct {
	F0 T0
	F1 T1
}
