// Times Porcupine on one history, for `plumb bench checkers --against porcupine`: a case as JSON on standard
// input, what it took as JSON on standard output. Built on demand; nothing else uses it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// Operation times are places in the history; values are JSON texts.
type operation struct {
	Client   int             `json:"client"`
	Call     int64           `json:"call"`
	Return   int64           `json:"return"`
	F        string          `json:"f"`
	Key      string          `json:"key"`
	Argument json.RawMessage `json:"argument"`
	Result   json.RawMessage `json:"result"`
	Known    bool            `json:"known"`
}

type testCase struct {
	Spec       string          `json:"spec"`
	Init       json.RawMessage `json:"init"`
	Partition  bool            `json:"partition"`
	Timeout    float64         `json:"timeout"`
	Runs       int             `json:"runs"`
	Operations []operation     `json:"operations"`
}

type input struct {
	f, key   string
	from, to string
}

type output struct {
	value string
	known bool
}

func byKey(history []porcupine.Operation) [][]porcupine.Operation {
	parts := make(map[string][]porcupine.Operation)
	var keys []string
	for _, op := range history {
		key := op.Input.(input).key
		if _, seen := parts[key]; !seen {
			keys = append(keys, key)
		}
		parts[key] = append(parts[key], op)
	}
	sort.Strings(keys)
	var result [][]porcupine.Operation
	for _, key := range keys {
		result = append(result, parts[key])
	}
	return result
}

func register(initial string) porcupine.Model {
	return porcupine.Model{
		Partition: byKey,
		Init:      func() interface{} { return initial },
		Step: func(state, in, out interface{}) (bool, interface{}) {
			i, o := in.(input), out.(output)
			switch i.f {
			case "read":
				return !o.known || o.value == state.(string), state
			case "write":
				return true, i.to
			default: // A compare-and-set that did not happen is not in the history.
				if state.(string) == i.from {
					return true, i.to
				}
				return !o.known, state
			}
		},
	}
}

func store(initial string, partition bool) porcupine.Model {
	one := porcupine.Model{
		Partition: byKey,
		Init:      func() interface{} { return initial },
		Step: func(state, in, out interface{}) (bool, interface{}) {
			i, o := in.(input), out.(output)
			switch i.f {
			case "get":
				return !o.known || o.value == state.(string), state
			case "put":
				return true, i.to
			default:
				return true, state.(string) + i.to
			}
		},
	}
	if partition {
		return one
	}
	return porcupine.Model{
		Init: func() interface{} { return map[string]string{} },
		Step: func(state, in, out interface{}) (bool, interface{}) {
			i, o := in.(input), out.(output)
			old, there := state.(map[string]string)[i.key]
			if !there {
				old = initial
			}
			if i.f == "get" {
				return !o.known || o.value == old, state
			}
			next := make(map[string]string, len(state.(map[string]string))+1)
			for key, value := range state.(map[string]string) {
				next[key] = value
			}
			if i.f == "put" {
				next[i.key] = i.to
			} else {
				next[i.key] = old + i.to
			}
			return true, next
		},
		Equal: func(a, b interface{}) bool {
			x, y := a.(map[string]string), b.(map[string]string)
			if len(x) != len(y) {
				return false
			}
			for key, value := range x {
				if other, there := y[key]; !there || other != value {
					return false
				}
			}
			return true
		},
	}
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		return s
	}
	return ""
}

func main() {
	var c testCase
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var model porcupine.Model
	switch c.Spec {
	case "register", "cas-register":
		model = register(string(c.Init))
	case "kv-append":
		model = store(text(c.Init), c.Partition)
	default:
		fmt.Fprintln(os.Stderr, "no model for", c.Spec)
		os.Exit(2)
	}
	var history []porcupine.Operation
	for _, op := range c.Operations {
		in := input{f: op.F, key: op.Key}
		out := output{known: op.Known}
		if c.Spec == "kv-append" {
			in.to, out.value = text(op.Argument), text(op.Result)
		} else if op.F == "cas" {
			var pair [2]json.RawMessage
			if err := json.Unmarshal(op.Argument, &pair); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			in.from, in.to = string(pair[0]), string(pair[1])
		} else {
			in.to, out.value = string(op.Argument), string(op.Result)
		}
		history = append(history, porcupine.Operation{
			ClientId: op.Client, Input: in, Call: op.Call, Output: out, Return: op.Return,
		})
	}
	var before, after runtime.MemStats
	verdict, best := porcupine.Unknown, 0.0
	var bytes uint64
	for run := 0; run < c.Runs; run++ {
		runtime.GC()
		runtime.ReadMemStats(&before)
		started := time.Now()
		verdict = porcupine.CheckOperationsTimeout(model, history, time.Duration(c.Timeout*float64(time.Second)))
		took := time.Since(started).Seconds()
		runtime.ReadMemStats(&after)
		if run == 0 || took < best {
			best, bytes = took, after.TotalAlloc-before.TotalAlloc
		}
		if took > 0.5 {
			break
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"verdict": string(verdict), "seconds": best, "allocated": bytes,
	})
}
