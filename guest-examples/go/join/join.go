// Join puts customers and their orders together, whichever come first.
package main

import (
	"encoding/json/v2"
	"errors"
	"fmt"

	tidemill "github.com/tidemill/tidemill/sdk/go"
)

func init() { tidemill.Each(join) }

func main() {} // Go wants it; Tidemill calls what init registered.

// An event is {"type": "customer", "id": "c1", "name": "Ada"} or {"type": "order", "customer": "c1", "amount": 7}. The fields of
// the other types are of no interest, so they are decoded when the type is known. The pointers tell what is missing or null from what is
// empty or 0.
type (
	event struct {
		Type *string `json:"type"`
	}
	customer struct {
		ID   *string `json:"id"`
		Name *string `json:"name"`
	}
	order struct {
		Customer *string `json:"customer"`
		Amount   *int64  `json:"amount"`
	}
)

// A row is what is known of a customer: {"name":"Ada","spent":7}. The name is null as long as only orders came.
type row struct {
	Name  *string `json:"name"`
	Spent *int64  `json:"spent"`
}

// What every reader of JSON keeps exactly.
const amountMax = 1<<53 - 1

func join(e tidemill.Event) error {
	var known event
	if err := e.JSON(&known); err != nil {
		return notAnEvent(err)
	}
	if known.Type == nil {
		return notAnEvent(errors.New("it has no type"))
	}
	switch *known.Type {
	case "customer":
		return setName(e)
	case "order":
		return addOrder(e)
	default:
		return nil
	}
}

func setName(e tidemill.Event) error {
	var c customer
	if err := e.JSON(&c); err != nil {
		return notAnEvent(err)
	}
	if c.ID == nil || c.Name == nil {
		return notAnEvent(errors.New("a customer has an id and a name"))
	}
	key := "customer/" + *c.ID
	r, err := read(key)
	if err != nil {
		return err
	}
	r.Name = c.Name
	return write(key, r)
}

func addOrder(e tidemill.Event) error {
	var o order
	if err := e.JSON(&o); err != nil {
		return notAnEvent(err)
	}
	if o.Customer == nil || o.Amount == nil {
		return notAnEvent(errors.New("an order has a customer and an amount"))
	}
	if *o.Amount < -amountMax || *o.Amount > amountMax {
		return notAnEvent(errors.New("its amount is too large"))
	}
	key := "customer/" + *o.Customer
	r, err := read(key)
	if err != nil {
		return err
	}
	spent := *r.Spent + *o.Amount
	if (spent > *r.Spent) != (*o.Amount > 0) {
		return notAnEvent(errors.New("the customer has spent more than can be counted"))
	}
	r.Spent = &spent
	return write(key, r)
}

func notAnEvent(err error) error { return fmt.Errorf("not an event: %w", err) }

func read(key string) (row, error) {
	found, ok := tidemill.Get(key)
	if !ok {
		return row{Spent: new(int64)}, nil
	}
	unreadable := func(why any) error {
		return tidemill.Halt(fmt.Sprintf("the row `%s` cannot be read: %v", key, why))
	}
	if !found.IsText() {
		return row{}, unreadable("it is not text")
	}
	var r row
	if err := json.Unmarshal(found.Bytes(), &r); err != nil {
		return row{}, unreadable(err)
	}
	if r.Spent == nil {
		return row{}, unreadable("it has no `spent`")
	}
	return r, nil
}

func write(key string, r row) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tidemill.Put(key, string(text))
	return nil
}
