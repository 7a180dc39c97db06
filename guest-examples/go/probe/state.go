package main

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	tidemill "github.com/tidemill/tidemill/sdk/go"
)

// rendered shows a value as text: none, text or bytes.
func rendered(v tidemill.Value) string {
	switch {
	case v.IsNone():
		return "-"
	case v.IsText():
		return "t:" + v.String()
	default:
		return "b:" + v.String()
	}
}

func put(_ tidemill.Event, i instruction) error {
	value, err := text(i.Value)
	if err == nil {
		tidemill.Put(i.Key, value)
	}
	return err
}

func putBytes(_ tidemill.Event, i instruction) error {
	value, err := octets(i.Value)
	if err == nil {
		tidemill.PutBytes(i.Key, value)
	}
	return err
}

func remove(_ tidemill.Event, i instruction) error {
	tidemill.Delete(i.Key)
	return nil
}

func apply(_ tidemill.Event, i instruction) error {
	writes := make([]tidemill.Write, len(i.Writes))
	for place, change := range i.Writes {
		writes[place].Key = change.Key
		if change.Value != nil {
			writes[place].Value = tidemill.Text(*change.Value)
		}
	}
	tidemill.Apply(writes...)
	return nil
}

func get(_ tidemill.Event, i instruction) error {
	value, _ := tidemill.Get(i.Key)
	tidemill.Put(i.Into, rendered(value))
	return nil
}

func duplicate(_ tidemill.Event, i instruction) error {
	value, _ := tidemill.Get(i.Key)
	tidemill.Apply(tidemill.Write{Key: i.Into, Value: value})
	return nil
}

func getMany(_ tidemill.Event, i instruction) error {
	var lines []string
	for _, value := range tidemill.GetMany(i.Keys...) {
		lines = append(lines, rendered(value))
	}
	tidemill.Put(i.Into, strings.Join(lines, "\n"))
	return nil
}

func scan(_ tidemill.Event, i instruction) error {
	from := tidemill.Range{Prefix: i.Prefix, Limit: i.Limit}
	if i.After != nil {
		from.After, from.Resume = *i.After, true
	}
	page := tidemill.ScanPage(from)
	var lines []string
	for _, entry := range page.Entries {
		lines = append(lines, entry.Key+"="+rendered(entry.Value))
	}
	last := "end"
	if page.More {
		last = "more"
	}
	tidemill.Put(i.Into, strings.Join(append(lines, last), "\n"))
	return nil
}

func count(_ tidemill.Event, i instruction) error {
	entries := 0
	for from := (tidemill.Range{Prefix: i.Prefix, Limit: i.Limit}); ; {
		page := tidemill.ScanPage(from)
		entries += len(page.Entries)
		if !page.More {
			break
		}
		from.After, from.Resume = page.Entries[len(page.Entries)-1].Key, true
	}
	tidemill.Put(i.Into, strconv.Itoa(entries))
	return nil
}

func sum(_ tidemill.Event, i instruction) error {
	if err := checkAmount(i.Amount); err != nil {
		return err
	}
	total := big.NewInt(i.Amount)
	if before, ok := tidemill.Get(i.Key); ok {
		digits, isText := before.Text()
		number, isNumber := new(big.Int).SetString(digits, 10)
		if !isText || !isNumber {
			return notAnInstruction(errors.New("what is there is not a number"))
		}
		total.Add(total, number)
	}
	tidemill.Put(i.Key, total.String())
	return nil
}

func bulk(_ tidemill.Event, i instruction) error {
	value := tidemill.Text(strings.Repeat("x", i.Bytes))
	writes := make([]tidemill.Write, i.Rows)
	for row := range writes {
		writes[row] = tidemill.Write{Key: fmt.Sprintf("%s%04d", i.Prefix, row), Value: value}
	}
	tidemill.Apply(writes...)
	return nil
}
