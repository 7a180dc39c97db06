package tidemill

import (
	"errors"
	"math"
	"runtime/debug"
	"time"

	"github.com/tidemill/tidemill/sdk/go/internal/bindings/tidemill_processor_config"
	"github.com/tidemill/tidemill/sdk/go/internal/bindings/tidemill_processor_log"
	"github.com/tidemill/tidemill/sdk/go/internal/bindings/tidemill_processor_state"
	"github.com/tidemill/tidemill/sdk/go/internal/bindings/tidemill_processor_types"
	_ "github.com/tidemill/tidemill/sdk/go/internal/bindings/wit_exports" // exports what Tidemill calls
	"github.com/tidemill/tidemill/sdk/go/internal/export_tidemill_processor_handler"
	"github.com/tidemill/tidemill/sdk/go/internal/wit/runtime"
	"github.com/tidemill/tidemill/sdk/go/internal/wit/types"
)

func init() {
	export_tidemill_processor_handler.Process = processBatch
	host = component{}
	// An instance lives for one batch as a rule and has 64 MiB (limits.memory). Most batches end before 16 MiB are used, and need
	// no collection at all; what needs more is collected often enough to stay below the limit.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(48 << 20)
}

func processBatch(b tidemill_processor_types.Batch) types.Result[types.Unit, tidemill_processor_types.Failure] {
	err := Run(component{}, batch(b))
	if err == nil {
		return types.Ok[types.Unit, tidemill_processor_types.Failure](types.Unit{})
	}
	return types.Err[types.Unit](failure(err))
}

func batch(b tidemill_processor_types.Batch) Batch {
	events := make([]Event, len(b.Events))
	for i, from := range b.Events {
		to := &events[i]
		to.Feed, to.Partition, to.Index, to.Data = b.Feed, b.Partition, i, value(from.Data)
		to.ID, to.given.id = from.Id.Some(), from.Id.Tag() == types.OptionSome
		to.Kind, to.given.kind = from.Kind.Some(), from.Kind.Tag() == types.OptionSome
		to.Key, to.given.key = from.Key.Some(), from.Key.Tag() == types.OptionSome
		if from.OccurredAt.Tag() == types.OptionSome {
			to.OccurredAt, to.given.occurredAt = time.UnixMicro(from.OccurredAt.Some()).UTC(), true
		}
		for _, header := range from.Headers {
			to.Headers = append(to.Headers, Header{header.F0, header.F1})
		}
	}
	return Batch{b.Feed, b.Partition, events}
}

func failure(err error) tidemill_processor_types.Failure {
	if retry, ok := errors.AsType[*RetryError](err); ok {
		ms := uint64(max(0, math.Ceil(float64(retry.After)/float64(time.Millisecond))))
		return tidemill_processor_types.MakeFailureRetry(tidemill_processor_types.Retry{AfterMs: ms, Reason: clean(retry.Reason)})
	}
	if reject, ok := errors.AsType[*RejectError](err); ok {
		index := uint32(math.MaxUint32) // a place outside of the batch makes Tidemill search
		if 0 <= reject.Index && reject.Index < math.MaxUint32 {
			index = uint32(reject.Index)
		}
		return tidemill_processor_types.MakeFailureReject(tidemill_processor_types.Reject{Index: index, Reason: clean(reject.Reason)})
	}
	return tidemill_processor_types.MakeFailureHalt(clean(err.Error()))
}

// component is the host of a component: Tidemill, through the generated bindings.
type component struct{}

func (component) Get(key string) Value {
	defer runtime.Unpin()
	return optional(tidemill_processor_state.Get(clean(key)))
}

func (component) GetMany(keys []string) []Value {
	defer runtime.Unpin()
	found := tidemill_processor_state.GetMany(cleanAll(keys))
	values := make([]Value, len(found))
	for i, one := range found {
		values[i] = optional(one)
	}
	return values
}

func (component) Scan(r Range) Page {
	defer runtime.Unpin()
	after := types.None[string]()
	if r.Resume || r.After != "" {
		after = types.Some(clean(r.After))
	}
	page := tidemill_processor_state.Scan(tidemill_processor_state.Range{Prefix: clean(r.Prefix), After: after, Limit: r.Limit})
	entries := make([]Entry, len(page.Entries))
	for i, entry := range page.Entries {
		entries[i] = Entry{entry.Key, value(entry.Value)}
	}
	return Page{entries, page.More}
}

func (component) Put(key string, value Value) {
	if value.IsNone() {
		tidemill_processor_state.Delete(clean(key))
		return
	}
	tidemill_processor_state.Put(clean(key), binding(value))
}

func (component) Delete(key string) { tidemill_processor_state.Delete(clean(key)) }

func (component) Apply(writes []Write) {
	changes := make([]tidemill_processor_types.Write, len(writes))
	for i, write := range writes {
		changes[i].Key = clean(write.Key)
		if !write.Value.IsNone() {
			changes[i].Value = types.Some(binding(write.Value))
		}
	}
	tidemill_processor_state.Apply(changes)
}

func (component) Setting(name string) (string, bool) {
	defer runtime.Unpin()
	found := tidemill_processor_config.Get(clean(name))
	return found.Some(), found.Tag() == types.OptionSome
}

func (component) Settings() []Setting {
	defer runtime.Unpin()
	var settings []Setting
	for _, found := range tidemill_processor_config.GetAll() {
		settings = append(settings, Setting{found.F0, found.F1})
	}
	return settings
}

func (component) LogEnabled(level Level) bool {
	return tidemill_processor_log.Enabled(uint8(min(level, LevelError)))
}

func (component) Log(level Level, message string) {
	tidemill_processor_log.Write(uint8(min(level, LevelError)), clean(message))
}
