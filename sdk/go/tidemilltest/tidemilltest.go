// Package tidemilltest has a host for tests: it gives batches to a processor as Tidemill does, and keeps its state in a map.
//
//	func TestPaymentsAreAdded(t *testing.T) {
//		host := tidemilltest.New()
//		if err := host.Send(`{"user": "ada", "amount": 3}`, `{"user": "ada", "amount": 4}`); err != nil {
//			t.Fatal(err)
//		}
//		if total := host.Text("total/ada"); total != "7" {
//			t.Errorf("ada has %s", total)
//		}
//	}
//
// It knows the rules and none of the limits. `tidemill test` runs the component itself, with all of them.
package tidemilltest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	tidemill "github.com/tidemill/tidemill/sdk/go"
)

// A Host gives batches to the processor that the program registers. What it starts from may be put into its fields.
type Host struct {
	// State is what was committed.
	State map[string]tidemill.Value
	// Config is what the processor is configured with.
	Config map[string]string
	// LogLevel is the least level that is kept.
	LogLevel tidemill.Level
	// Log has the lines that the processor wrote, those of failed calls too.
	Log []Line
	// Feed and Partition are where batches come from.
	Feed, Partition string
}

// A Line is one of the log.
type Line struct {
	Level   tidemill.Level
	Message string
}

// New is a host with an empty state, which keeps log lines from LevelInfo on.
func New() *Host {
	return &Host{
		State:     map[string]tidemill.Value{},
		Config:    map[string]string{},
		LogLevel:  tidemill.LevelInfo,
		Feed:      "events",
		Partition: "0",
	}
}

// Send gives the processor one batch with these payloads of text. If it fails, its writes are forgotten, and the error is a
// *tidemill.RejectError, a *tidemill.RetryError or a *tidemill.HaltError.
func (h *Host) Send(payloads ...string) error {
	events := make([]tidemill.Event, len(payloads))
	for i, payload := range payloads {
		events[i].Data = tidemill.Text(payload)
	}
	return h.SendEvents(events...)
}

// SendEvents gives the processor one batch.
func (h *Host) SendEvents(events ...tidemill.Event) error {
	events = slices.Clone(events)
	for i := range events {
		events[i].Feed, events[i].Partition, events[i].Index = h.Feed, h.Partition, i
	}
	call := &call{host: h, state: maps.Clone(h.State)}
	err := tidemill.Run(call, tidemill.Batch{Feed: h.Feed, Partition: h.Partition, Events: events})
	if err == nil {
		h.State = call.state
	}
	return err
}

// Text is the committed text of a key, empty if there is none.
func (h *Host) Text(key string) string {
	text, _ := h.State[key].Text()
	return text
}

// call is the host during one call, with the writes made so far.
type call struct {
	host  *Host
	state map[string]tidemill.Value
}

func (c *call) Get(key string) tidemill.Value {
	check(key)
	return c.state[key]
}

func (c *call) GetMany(keys []string) []tidemill.Value {
	values := make([]tidemill.Value, len(keys))
	for i, key := range keys {
		values[i] = c.Get(key)
	}
	return values
}

func (c *call) Scan(r tidemill.Range) tidemill.Page {
	limit := int(r.Limit)
	if limit == 0 || limit > 1000 {
		limit = 1000
	}
	var page tidemill.Page
	for _, key := range slices.Sorted(maps.Keys(c.state)) {
		after := r.Resume || r.After != ""
		if !strings.HasPrefix(key, r.Prefix) || after && key <= r.After {
			continue
		}
		if len(page.Entries) == limit {
			page.More = true
			break
		}
		page.Entries = append(page.Entries, tidemill.Entry{Key: key, Value: c.state[key]})
	}
	return page
}

func (c *call) Put(key string, value tidemill.Value) {
	check(key)
	if value.IsNone() {
		delete(c.state, key)
		return
	}
	c.state[key] = value
}

func (c *call) Delete(key string) { c.Put(key, tidemill.Value{}) }

func (c *call) Apply(writes []tidemill.Write) {
	for _, write := range writes {
		c.Put(write.Key, write.Value)
	}
}

func (c *call) Setting(name string) (string, bool) {
	value, ok := c.host.Config[name]
	return value, ok
}

func (c *call) Settings() []tidemill.Setting {
	var settings []tidemill.Setting
	for _, name := range slices.Sorted(maps.Keys(c.host.Config)) {
		settings = append(settings, tidemill.Setting{Name: name, Value: c.host.Config[name]})
	}
	return settings
}

func (c *call) LogEnabled(level tidemill.Level) bool { return level >= c.host.LogLevel }

func (c *call) Log(level tidemill.Level, message string) {
	if c.LogEnabled(level) {
		c.host.Log = append(c.host.Log, Line{level, message})
	}
}

// Tidemill ends a call that uses a key it cannot have.
func check(key string) {
	if len(key) < 1 || len(key) > 1024 {
		panic(fmt.Sprintf("a key has 1 to 1,024 bytes, and this one has %d", len(key)))
	}
}
