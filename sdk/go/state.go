package tidemill

import "iter"

// The state is the processor's own: no other can read or write it. A read sees the writes made before it in the same call. If the call
// fails, none of its writes counts. Keys are text of 1 to 1,024 bytes.

// Get reads the value of a key; ok is false if there is none.
func Get(key string) (value Value, ok bool) {
	value = host.Get(key)
	return value, !value.IsNone()
}

// GetMany reads the values of several keys, in the order asked; none for a key without one. It is cheaper than many Gets.
func GetMany(keys ...string) []Value { return host.GetMany(keys) }

// Put sets a key to text.
func Put(key, text string) { host.Put(key, Text(text)) }

// PutBytes sets a key to bytes.
func PutBytes(key string, bytes []byte) { host.Put(key, Bytes(bytes)) }

// Delete removes a key. A key that is not there is no error.
func Delete(key string) { host.Delete(key) }

// A Write is a change of one key.
type Write struct {
	Key   string
	Value Value // the zero Value deletes the key
}

// Apply makes many changes at once, in their order. It is cheaper than many Puts.
func Apply(writes ...Write) { host.Apply(writes) }

// Scan goes through the keys that begin with a prefix, in the order of their bytes, page by page as it is needed.
//
//	for key, value := range tidemill.Scan("total/") { … }
func Scan(prefix string) iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for r := (Range{Prefix: prefix}); ; {
			page := host.Scan(r)
			for _, entry := range page.Entries {
				if !yield(entry.Key, entry.Value) {
					return
				}
			}
			if !page.More || len(page.Entries) == 0 {
				return
			}
			r.After, r.Resume = page.Entries[len(page.Entries)-1].Key, true
		}
	}
}

// A Range says which keys a page has.
type Range struct {
	Prefix string // only keys that begin with this; empty for all
	After  string // only keys greater than this one, if Resume says so or it is not empty
	Resume bool   // whether After counts even if it is empty
	Limit  uint32 // how many entries at most; 0 for as many as the host gives, which is 1,000 at most
}

// A Page is the first entries of a range.
type Page struct {
	Entries []Entry // in the order of the bytes of their keys
	More    bool    // whether keys after the last entry remain
}

// An Entry is a key of the state and its value.
type Entry struct {
	Key   string
	Value Value
}

// ScanPage reads one page.
func ScanPage(r Range) Page { return host.Scan(r) }
