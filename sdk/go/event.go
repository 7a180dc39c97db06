package tidemill

import (
	"encoding/json/v2"
	"errors"
	"time"
)

// A Batch is some events of one partition, which are committed together.
type Batch struct {
	Feed      string  // the feed's name in tidemill.toml
	Partition string  // the partition within the feed
	Events    []Event // at least one; apply them in this order
}

// An Event is one fact of the feed.
type Event struct {
	// Feed and Partition are those of the event's batch.
	Feed, Partition string
	// Index is the event's place in the batch, from 0.
	Index int
	// Data is the payload. JSON is text, exactly as the publisher sent it.
	Data Value
	// Headers are the publisher's, in its order; none unless the feed's event-headers asks for them.
	Headers []Header

	// ID is the identifier that the publisher gave the event (CloudEvents id), empty where it gave none.
	ID string
	// Kind says what kind of event it is (CloudEvents type), empty where the publisher does not.
	Kind string
	// Key says what the event is about (CloudEvents partitionkey, else subject), empty where the publisher does not.
	Key string
	// OccurredAt is when it happened (CloudEvents time), to the microsecond; the zero time where the publisher does not say.
	OccurredAt time.Time

	given given
}

// A Header is one of the publisher's headers.
type Header struct{ Name, Value string }

// What the publisher gave, even if it is empty.
type given struct{ id, kind, key, occurredAt bool }

// HasID tells an ID that was not given from one that was given as an empty text. So do HasKind, HasKey and HasOccurredAt.
func (e Event) HasID() bool { return e.given.id || e.ID != "" }

// HasKind says whether the publisher gave a kind.
func (e Event) HasKind() bool { return e.given.kind || e.Kind != "" }

// HasKey says whether the publisher gave a key.
func (e Event) HasKey() bool { return e.given.key || e.Key != "" }

// HasOccurredAt says whether the publisher gave a time.
func (e Event) HasOccurredAt() bool { return e.given.occurredAt || !e.OccurredAt.IsZero() }

var errNotText = errors.New("its payload is bytes, not JSON text")

// JSON decodes the payload as encoding/json/v2 does: names count as they are written, case included, and a name that comes
// twice is an error. Fields that v does not have are ignored.
func (e Event) JSON(v any) error {
	if !e.Data.IsText() {
		return errNotText
	}
	return json.Unmarshal([]byte(e.Data.data), v)
}
