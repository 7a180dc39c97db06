package main

import (
	"testing"

	tidemill "github.com/tidemill/tidemill/sdk/go"
	"github.com/tidemill/tidemill/sdk/go/tidemilltest"
)

func TestACustomerAndItsOrdersMeetWhicheverComesFirst(t *testing.T) {
	host := tidemilltest.New()
	err := host.Send(
		`{"type": "order", "customer": "c1", "amount": 7}`,
		`{"type": "customer", "id": "c1", "name": "Ada"}`,
		`{"type": "customer", "id": "c2", "name": "Bob & <\u2028\u0001\u007f\"\\>"}`,
		`{"type": "order", "customer": "c2", "amount": -2}`,
		`{"type": "order", "customer": "c3", "amount": 1}`,
		`{"type": "weather"}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"customer/c1": `{"name":"Ada","spent":7}`,
		"customer/c2": "{\"name\":\"Bob & <\u2028\\u0001\u007f\\\"\\\\>\",\"spent\":-2}",
		"customer/c3": `{"name":null,"spent":1}`,
	} {
		if row := host.Text(key); row != want {
			t.Errorf("%s is %s, not %s", key, row, want)
		}
	}
}

func TestARowIsReadHoweverItIsFormatted(t *testing.T) {
	host := tidemilltest.New()
	host.State["customer/c1"] = tidemill.Text(`{ "spent": 9223372036854775806, "name": "Ada" }`)
	if err := host.Send(`{"type": "order", "customer": "c1", "amount": 1}`); err != nil {
		t.Fatal(err)
	}
	if row := host.Text("customer/c1"); row != `{"name":"Ada","spent":9223372036854775807}` {
		t.Error(row)
	}
	err := host.Send(`{"type": "order", "customer": "c1", "amount": 1}`)
	if err == nil || err.Error() != "not an event: the customer has spent more than can be counted" {
		t.Error(err)
	}
}
