// Package runtime gives the host memory to put arguments and results into, as the generated bindings need it.
//
// It does what go.bytecodealliance.org/pkg/wit/runtime does, without a module to fetch, and cheaper: that package allocates and
// pins each string by itself, this one cuts small ones from chunks.
package runtime

import (
	"runtime"
	"unsafe"
)

// Most texts of events and values of the state are far smaller.
const chunkBytes = 64 << 10

var (
	// What is left of the newest chunk. Words, because nothing that the host puts needs more than their alignment.
	chunk []uint64
	// What the host was given pieces of. Until the bindings have made Go values of them, nobody else knows of them but the host.
	given []*uint64
	// Whether the newest chunk is among them.
	chunkGiven bool
	// Where no bytes lie. Go's runtime checks pointers, so a small number will not do.
	nothing uint64
)

// Allocate returns size bytes that stay where they are as long as p is not unpinned.
func Allocate(p *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(&nothing)
	}
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, words(size))))
	p.Pin(memory)
	return memory
}

// Unpin lets go of what the host was given. The bindings call it when they have made Go values of the arguments; those keep alive
// what they still need.
func Unpin() {
	clear(given)
	given = given[:0]
	chunkGiven = false
}

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(&nothing)
	}
	memory := cut(words(size))
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(memory), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return memory
}

func cut(count uintptr) unsafe.Pointer {
	if uintptr(len(chunk)) < count {
		// The host must not be called while it is waiting for memory, and collecting garbage reads the clock. The adapter
		// knows this sign, and so does the usual one.
		setPaused(1)
		defer setPaused(0)
		if count > chunkBytes/8/4 {
			large := make([]uint64, count)
			given = append(given, unsafe.SliceData(large))
			return unsafe.Pointer(unsafe.SliceData(large))
		}
		chunk, chunkGiven = make([]uint64, chunkBytes/8), false
	}
	memory := unsafe.SliceData(chunk)
	if !chunkGiven {
		given, chunkGiven = append(given, memory), true
	}
	chunk = chunk[count:]
	return unsafe.Pointer(memory)
}

func words(bytes uintptr) uintptr { return (bytes + 7) / 8 }

//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func setPaused(paused int32)
