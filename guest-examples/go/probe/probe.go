// Probe does what its events say: {"do": "put", "key": "a", "value": "1"}. It shows that a processor in Go sees and does what one in
// any other language does.
package main

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"

	tidemill "github.com/tidemill/tidemill/sdk/go"
)

func init() { tidemill.Each(obey) }

func main() {} // Go wants it; Tidemill calls what init registered.

// An instruction is what an event may say. Which fields it must have stands beside what it does.
type instruction struct {
	Do      string         `json:"do"`
	Key     string         `json:"key"`
	Keys    []string       `json:"keys"`
	Value   jsontext.Value `json:"value"`
	Writes  []change       `json:"writes"`
	Into    string         `json:"into"`
	Prefix  string         `json:"prefix"`
	After   *string        `json:"after"`
	Limit   uint32         `json:"limit"`
	Amount  int64          `json:"amount"`
	Name    string         `json:"name"`
	Level   string         `json:"level"`
	Message string         `json:"message"`
	Reason  string         `json:"reason"`
	Index   *uint32        `json:"index"`
	AfterMs uint64         `json:"after-ms"`
	Rows    int            `json:"rows"`
	Bytes   int            `json:"bytes"`
}

// A change of null deletes its key.
type change struct {
	Key   string  `json:"key"`
	Value *string `json:"value"`
}

var instructions = map[string]struct {
	do    func(tidemill.Event, instruction) error
	needs []string
}{
	"put":         {put, []string{"key", "value"}},
	"put-bytes":   {putBytes, []string{"key", "value"}},
	"delete":      {remove, []string{"key"}},
	"apply":       {apply, []string{"writes"}},
	"get":         {get, []string{"key", "into"}},
	"copy":        {duplicate, []string{"key", "into"}},
	"get-many":    {getMany, []string{"keys", "into"}},
	"scan":        {scan, []string{"prefix", "limit", "into"}},
	"count":       {count, []string{"prefix", "limit", "into"}},
	"sum":         {sum, []string{"key", "amount"}},
	"bulk":        {bulk, []string{"prefix", "rows", "bytes"}},
	"event":       {describe, []string{"into"}},
	"config":      {config, []string{"name", "into"}},
	"config-all":  {configAll, []string{"into"}},
	"log":         {log, []string{"level", "message"}},
	"log-enabled": {logEnabled, []string{"level", "into"}},
	"reject":      {reject, []string{"reason"}},
	"retry":       {retry, []string{"after-ms", "reason"}},
	"halt":        {halt, []string{"reason"}},
	"throw":       {throw, []string{"message"}},
	"global":      {global, []string{"into"}},
}

func obey(e tidemill.Event) error {
	if e.Data.IsBytes() {
		tidemill.PutBytes(fmt.Sprintf("bytes/%d", e.Index), e.Data.Bytes())
		return nil
	}
	var fields map[string]jsontext.Value
	if err := e.JSON(&fields); err != nil {
		return notAnInstruction(err)
	}
	var i instruction
	if err := e.JSON(&i); err != nil {
		return notAnInstruction(err)
	}
	known, ok := instructions[i.Do]
	if !ok {
		return notAnInstruction(fmt.Errorf("nobody knows how to do %q", i.Do))
	}
	for _, name := range known.needs {
		if value, given := fields[name]; !given || value.Kind() == 'n' {
			return notAnInstruction(fmt.Errorf("%q needs %q", i.Do, name))
		}
	}
	return known.do(e, i)
}

func notAnInstruction(err error) error { return fmt.Errorf("not an instruction: %w", err) }

// What every reader of JSON keeps exactly.
const amountMax = 1<<53 - 1

func checkAmount(amount int64) error {
	if amount < -amountMax || amount > amountMax {
		return notAnInstruction(errors.New("its amount is too large"))
	}
	return nil
}

func text(raw jsontext.Value) (s string, err error) {
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", notAnInstruction(err)
	}
	return s, nil
}

// JSON has no bytes; they come as numbers. A []byte would be base64.
func octets(raw jsontext.Value) ([]byte, error) {
	var numbers []uint16
	if err := json.Unmarshal(raw, &numbers); err != nil {
		return nil, notAnInstruction(err)
	}
	bytes := make([]byte, len(numbers))
	for i, number := range numbers {
		if number > 255 {
			return nil, notAnInstruction(fmt.Errorf("%d is no byte", number))
		}
		bytes[i] = byte(number)
	}
	return bytes, nil
}
