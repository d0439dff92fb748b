package memory

import (
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"

	"goflume/event"
)

// slotBytes is the unit in which Flume counts bodies against `byteCapacity`.
const slotBytes = 100

// size is what events take up.
type size struct {
	events int
	slots  int64
	bytes  int64 // of bodies
}

func sizeOf(events []event.Event) size {
	s := size{events: len(events)}
	for i := range events {
		n := len(events[i].Body)
		s.bytes += int64(n)
		s.slots += int64(max(n, 1)+slotBytes-1) / slotBytes
	}
	return s
}

func (s *size) add(o size) {
	s.events += o.events
	s.slots += o.slots
	s.bytes += o.bytes
}

func (s *size) remove(o size) {
	s.events -= o.events
	s.slots -= o.slots
	s.bytes -= o.bytes
}

// Bytes is an amount of memory as the operator writes it: a number of bytes, or a share of the memory limit such as 80%.
type Bytes string

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if _, _, err := parseBytes(s); err != nil {
		return err
	}
	*b = Bytes(s)
	return nil
}

func parseBytes(s string) (n int64, percent bool, err error) {
	digits, percent := strings.CutSuffix(s, "%")
	n, err = strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || n < 0 || percent && n > 100 {
		return 0, false, fmt.Errorf("%q is neither a number of bytes nor a percentage", s)
	}
	return n, percent, nil
}

// slots returns how many slots fit when buffer percent are set aside. As in Flume, less than one is no limit.
func (b Bytes) slots(buffer int) int64 {
	n, percent, err := parseBytes(string(b))
	if err != nil {
		panic("memory: byteCapacity was not checked: " + err.Error())
	}
	if percent {
		n = int64(float64(debug.SetMemoryLimit(-1)) * float64(n) / 100)
	}
	slots := int64(float64(n) * (1 - float64(buffer)*.01) / slotBytes)
	if slots < 1 || slots > math.MaxInt32 {
		return math.MaxInt32
	}
	return slots
}
