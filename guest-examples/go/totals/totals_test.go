package main

import (
	"errors"
	"strings"
	"testing"

	tidemill "github.com/tidemill/tidemill/sdk/go"
	"github.com/tidemill/tidemill/sdk/go/tidemilltest"
)

func TestPaymentsAreAddedToWhatIsThere(t *testing.T) {
	host := tidemilltest.New()
	host.State["total/ada"] = tidemill.Text("170141183460469231731687303715884105727")
	if err := host.Send(`{"user": "ada", "amount": 3}`, `{"user": "bob", "amount": -5}`, `{"user": "ada", "amount": 4}`); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"total/ada": "170141183460469231731687303715884105734",
		"total/bob": "-5",
	} {
		if total := host.Text(key); total != want {
			t.Errorf("%s is %q, not %q", key, total, want)
		}
	}
}

func TestWhatIsNoPaymentIsRejected(t *testing.T) {
	for _, payload := range []string{
		`not JSON`, `[]`, `null`, `{}`, `{"user": "ada"}`, `{"user": null, "amount": 1}`, `{"USER": "ada", "amount": 1}`,
		`{"user": "ada", "amount": null}`, `{"user": "ada", "amount": "1"}`, `{"user": "ada", "amount": true}`,
		`{"user": "ada", "amount": 3.5}`, `{"user": "ada", "amount": 9007199254740992}`,
	} {
		host := tidemilltest.New()
		err := host.Send(`{"user": "ada", "amount": 1}`, payload)
		reject, ok := errors.AsType[*tidemill.RejectError](err)
		if !ok || reject.Index != 1 || !strings.HasPrefix(reject.Reason, "not a payment: ") {
			t.Errorf("%s gives %v", payload, err)
		}
	}
}

func TestAStateThatIsNoNumberHalts(t *testing.T) {
	host := tidemilltest.New()
	host.State["total/ada"] = tidemill.Text("many")
	err := host.Send(`{"user": "ada", "amount": 1}`)
	if halt, ok := errors.AsType[*tidemill.HaltError](err); !ok || halt.Reason != "the state of `total/ada` is not a number" {
		t.Errorf("the error is %v", err)
	}
}
