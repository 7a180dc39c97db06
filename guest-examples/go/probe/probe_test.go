package main

import (
	"strings"
	"testing"
	"time"

	tidemill "github.com/tidemill/tidemill/sdk/go"
	"github.com/tidemill/tidemill/sdk/go/tidemilltest"
)

func TestValuesAreReadAsTheyWerePut(t *testing.T) {
	host := tidemilltest.New()
	err := host.Send(
		`{"do": "put", "key": "a", "value": "1"}`,
		`{"do": "put-bytes", "key": "b", "value": [0, 255]}`,
		`{"do": "copy", "key": "b", "into": "c"}`,
		`{"do": "get-many", "keys": ["a", "b", "c", "d"], "into": "all"}`,
		`{"do": "scan", "prefix": "", "limit": 2, "into": "page"}`,
		`{"do": "count", "prefix": "", "limit": 1, "into": "count"}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"all": "t:1\nb:00ff\nb:00ff\n-", "page": "a=t:1\nall=t:t:1\nb:00ff\nb:00ff\n-\nmore", "count": "5",
	} {
		if text := host.Text(key); text != want {
			t.Errorf("%s is %q, not %q", key, text, want)
		}
	}
}

func TestAnEventIsDescribedWithWhatItHas(t *testing.T) {
	host := tidemilltest.New()
	err := host.SendEvents(tidemill.Event{
		Data:       tidemill.Text(`{"do": "event", "into": "e"}`),
		Kind:       "k",
		OccurredAt: time.UnixMicro(-1),
		Headers:    []tidemill.Header{{Name: "n", Value: "v"}},
	})
	want := "feed=events\npartition=0\nindex=0\nid=-\nkind=k\nkey=-\noccurred-at=-1\nheader n=v\ndata=t:{\"do\": \"event\", \"into\": \"e\"}"
	if text := host.Text("e"); err != nil || text != want {
		t.Errorf("%v, %q", err, text)
	}
}

func TestWhatIsNoInstructionIsRejected(t *testing.T) {
	for _, payload := range []string{"", "[]", "{}", `{"do": "dance"}`, `{"do": "put", "key": "a"}`, `{"do": "put-bytes", "key": "a", "value": [256]}`} {
		err := tidemilltest.New().Send(payload)
		if err == nil || !strings.HasPrefix(err.Error(), "not an instruction: ") {
			t.Errorf("%s gives %v", payload, err)
		}
	}
}
