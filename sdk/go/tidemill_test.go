package tidemill_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tidemill "github.com/tidemill/tidemill/sdk/go"
	"github.com/tidemill/tidemill/sdk/go/tidemilltest"
)

// What the processor of these tests does with each event; set by each test.
var each func(tidemill.Event) error

func init() { tidemill.Each(func(e tidemill.Event) error { return each(e) }) }

func TestEventsAreGivenInOrderWithTheirPlaces(t *testing.T) {
	host := tidemilltest.New()
	var seen []string
	each = func(e tidemill.Event) error {
		seen = append(seen, fmt.Sprint(e.Index, e.Data))
		return nil
	}
	if err := host.Send("a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"0 a", "1 b", "2 c"}; !slices.Equal(seen, want) {
		t.Errorf("given %q, not %q", seen, want)
	}
}

func TestAnyErrorRejectsItsEventAndForgetsTheWritesOfTheCall(t *testing.T) {
	host := tidemilltest.New()
	each = func(e tidemill.Event) error {
		tidemill.Put("last", e.Data.String())
		if e.Data.String() == "bad" {
			return errors.New("no")
		}
		return nil
	}
	err := host.Send("good", "bad", "good")
	reject, ok := errors.AsType[*tidemill.RejectError](err)
	if !ok || reject.Index != 1 || reject.Reason != "no" {
		t.Errorf("the error is %#v", err)
	}
	if len(host.State) != 0 {
		t.Errorf("the state is %v", host.State)
	}
}

func TestSpecialErrorsKeepTheirMeaningWhenTheyAreWrapped(t *testing.T) {
	host := tidemilltest.New()
	each = func(tidemill.Event) error {
		return fmt.Errorf("the rate of today: %w", tidemill.Retry(time.Second, "not there yet"))
	}
	retry, ok := errors.AsType[*tidemill.RetryError](host.Send("x"))
	if !ok || retry.After != time.Second || retry.Reason != "the rate of today: not there yet" {
		t.Errorf("the error is %#v", retry)
	}
	each = func(tidemill.Event) error { return tidemill.Halt("look at this") }
	if halt, ok := errors.AsType[*tidemill.HaltError](host.Send("x")); !ok || halt.Reason != "look at this" {
		t.Errorf("the error is %#v", halt)
	}
	each = func(tidemill.Event) error { return tidemill.Reject(7, "the one before") }
	if reject, ok := errors.AsType[*tidemill.RejectError](host.Send("x")); !ok || reject.Index != 7 {
		t.Errorf("the error is %#v", reject)
	}
}

func TestAPanicRejectsItsEventWithTheUsersFileAndLine(t *testing.T) {
	host := tidemilltest.New()
	each = func(e tidemill.Event) error {
		var missing map[string]int
		if e.Index == 2 {
			missing["x"] = 1
		}
		return nil
	}
	err := host.Send("a", "b", "c")
	reject, ok := errors.AsType[*tidemill.RejectError](err)
	if !ok || reject.Index != 2 || !strings.HasPrefix(reject.Reason, "panic: assignment to entry in nil map\n\n") {
		t.Fatalf("the error is %v", err)
	}
	first := strings.Split(reject.Reason, "\n")[3]
	if !strings.Contains(first, "tidemill_test.go:") {
		t.Errorf("the innermost place is %q in %s", first, reject.Reason)
	}
}

func TestADeepPanicKeepsItsInnermostFramesWithinFourKiB(t *testing.T) {
	host := tidemilltest.New()
	for _, word := range []string{"deep ", "tief€", "😀"} {
		var dive func(int)
		dive = func(depth int) {
			if depth == 0 {
				panic(strings.Repeat(word, 2000))
			}
			dive(depth - 1)
		}
		each = func(tidemill.Event) error { dive(500); return nil }
		err := host.Send("x")
		if len(err.Error()) > 4096+len("panic: ") || !strings.Contains(err.Error(), "tidemill_test.go:") {
			t.Errorf("%d bytes: %v", len(err.Error()), err)
		}
	}
}

type brokenError struct{ reason string }

func (e *brokenError) Error() string { return e.reason }

func TestAnErrorThatIsANilPointerRejectsItsEvent(t *testing.T) {
	each = func(e tidemill.Event) error {
		if e.Index == 0 {
			return nil
		}
		var broken *brokenError
		return broken
	}
	reject, ok := errors.AsType[*tidemill.RejectError](tidemilltest.New().Send("a", "b"))
	if !ok || reject.Index != 1 || !strings.Contains(reject.Reason, "brokenError") {
		t.Errorf("the error is %#v", reject)
	}
}

func TestAPanicOfNothingRejectsToo(t *testing.T) {
	each = func(tidemill.Event) error { panic(nil) }
	if reject, ok := errors.AsType[*tidemill.RejectError](tidemilltest.New().Send("a")); !ok || reject.Index != 0 {
		t.Errorf("the error is %#v", reject)
	}
}

func TestAScanGoesThroughAllPagesAndEndsEarlyIfAsked(t *testing.T) {
	host := tidemilltest.New()
	for i := range 2500 {
		host.State[fmt.Sprintf("n/%04d", i)] = tidemill.Text("x")
	}
	host.State["o"] = tidemill.Text("y")
	all, some := 0, 0
	each = func(tidemill.Event) error {
		for range tidemill.Scan("n/") {
			all++
		}
		for key := range tidemill.Scan("") {
			if some++; key == "n/0002" {
				break
			}
		}
		return nil
	}
	if err := host.Send("x"); err != nil || all != 2500 || some != 3 {
		t.Errorf("%d and %d keys, %v", all, some, err)
	}
}

func TestJSONTakesNamesAsTheyAreWritten(t *testing.T) {
	for payload, ok := range map[string]bool{
		`{"user": "ada", "more": [1]}`:   true,
		`{"USER": "ada"}`:                false,
		`{"user": "ada", "user": "bob"}`: false,
		`not JSON`:                       false,
	} {
		var found struct {
			User string `json:"user"`
		}
		err := tidemill.Event{Data: tidemill.Text(payload)}.JSON(&found)
		if (err == nil && found.User == "ada") != ok {
			t.Errorf("%s gives %v, %v", payload, found, err)
		}
	}
	var any any
	if err := (tidemill.Event{Data: tidemill.Bytes([]byte("{}"))}).JSON(&any); err == nil {
		t.Error("bytes are taken for JSON")
	}
}

func TestTextAndBytesAreDifferentValues(t *testing.T) {
	if _, ok := tidemill.Bytes([]byte("a")).Text(); ok {
		t.Error("bytes are taken for text")
	}
	if text, ok := tidemill.Text("a\xff").Text(); !ok || text != "a\uFFFD" {
		t.Errorf("the text is %q", text)
	}
	if (tidemill.Value{}).Bytes() != nil || !(tidemill.Value{}).IsNone() {
		t.Error("the zero value is something")
	}
}
