// Totals adds payments up, a sum for each user.
package main

import (
	"errors"
	"fmt"
	"math/big"

	tidemill "github.com/tidemill/tidemill/sdk/go"
)

func init() { tidemill.Process(addPayments) }

func main() {} // Go wants it; Tidemill calls what init registered.

// A payment is {"user": "ada", "amount": 3}. The pointers tell what is missing or null from what is empty or 0.
type payment struct {
	User   *string `json:"user"`
	Amount *int64  `json:"amount"`
}

// What every reader of JSON keeps exactly.
const amountMax = 1<<53 - 1

// addPayments reads and writes each total once, however many payments of the batch belong to it.
func addPayments(batch tidemill.Batch) error {
	var keys []string // in the order of their first payment: that of a map would differ from run to run
	sums := map[string]*big.Int{}
	for _, event := range batch.Events {
		p, err := parse(event)
		if err != nil {
			return tidemill.Reject(event.Index, "not a payment: "+err.Error())
		}
		key := "total/" + *p.User
		if sums[key] == nil {
			sums[key] = new(big.Int)
			keys = append(keys, key)
		}
		sums[key].Add(sums[key], big.NewInt(*p.Amount))
	}

	var writes []tidemill.Write
	for i, before := range tidemill.GetMany(keys...) {
		key := keys[i]
		if !before.IsNone() {
			digits, isText := before.Text()
			total, isNumber := new(big.Int).SetString(digits, 10)
			if !isText || !isNumber {
				return tidemill.Halt(fmt.Sprintf("the state of `%s` is not a number", key))
			}
			sums[key].Add(sums[key], total)
		}
		writes = append(writes, tidemill.Write{Key: key, Value: tidemill.Text(sums[key].String())})
	}
	tidemill.Apply(writes...)
	return nil
}

func parse(event tidemill.Event) (p payment, err error) {
	switch err := event.JSON(&p); {
	case err != nil:
		return p, err
	case p.User == nil:
		return p, errors.New("it has no user")
	case p.Amount == nil:
		return p, errors.New("it has no amount")
	case *p.Amount < -amountMax || *p.Amount > amountMax:
		return p, errors.New("its amount is too large")
	}
	return p, nil
}
