// Package deadletter does with events that a sink can never deliver what the operator says: `onError = fail | drop |
// file:PATH`. Failing is the default: the sink stays in back-off and its state names the event and the reason.
package deadletter

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"
	"unicode/utf8"

	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
)

// Policy is the value of `onError`. The zero Policy is fail.
type Policy struct {
	Drop bool
	File string // where events go; empty: they do not
}

// UnmarshalText reads fail, drop or file:PATH.
func (p *Policy) UnmarshalText(text []byte) error {
	switch s := string(text); {
	case equalFold(s, "fail"):
		*p = Policy{}
	case equalFold(s, "drop"):
		*p = Policy{Drop: true}
	case len(s) > 5 && equalFold(s[:5], "file:"):
		*p = Policy{File: filepath.Clean(s[5:])}
	default:
		return fmt.Errorf("%q is none of fail, drop, file:PATH", s)
	}
	return nil
}

func equalFold(a, b string) bool { return bytes.EqualFold([]byte(a), []byte(b)) }

// String is the value as it is configured.
func (p Policy) String() string {
	switch {
	case p.File != "":
		return "file:" + p.File
	case p.Drop:
		return "drop"
	}
	return "fail"
}

// Box takes a sink's undeliverable events. It is used by one goroutine. Events are dropped or filed for good only by
// Commit, once the rest of their batch is delivered. It holds nothing that had to be closed.
type Box struct {
	policy  Policy
	sink    string
	log     *slog.Logger
	dropped *metric.Counter
	disk    vfs.FS

	pending  int
	records  []byte
	reason   error // of the first event pending
	lastLog  time.Time
	unlogged int
}

// logEvery bounds the lines about dropped events.
const logEvery = time.Minute

// NewBox returns the box of the sink of env. disk is vfs.OS in the program.
func NewBox(p Policy, env registry.Env, disk vfs.FS) *Box {
	return &Box{policy: p, sink: env.Name, log: env.Log, dropped: metric.NewSink(env.Metrics).Dropped, disk: disk}
}

// Refuse takes an event that cannot be delivered, and why. It returns an error if the batch has to fail for it.
func (b *Box) Refuse(e *event.Event, why error) error {
	switch {
	case b.policy.File != "":
		b.records = appendRecord(b.records, b.sink, e, why)
	case !b.policy.Drop:
		return fmt.Errorf("event that can never be delivered (%s): %w; set onError = drop or file:PATH to go on without it", describe(e), why)
	}
	if b.pending == 0 {
		b.reason = why
	}
	b.pending++
	return nil
}

// Discard forgets what was taken since the last Commit: the batch comes again.
func (b *Box) Discard() { b.pending, b.records = 0, b.records[:0] }

// Commit files what was taken since the last Commit, safely on disk, and counts it.
func (b *Box) Commit() error {
	if b.pending == 0 {
		return nil
	}
	if len(b.records) > 0 {
		if err := b.write(); err != nil {
			return fmt.Errorf("filing undeliverable events in %s: %w", b.policy.File, err)
		}
	}
	b.dropped.Add(b.pending)
	b.unlogged += b.pending
	if now := time.Now(); now.Sub(b.lastLog) >= logEvery {
		b.log.Error("Events that could not be delivered went as onError says", "onError", b.policy.String(), "events", b.unlogged, "err", b.reason)
		b.lastLog, b.unlogged = now, 0
	}
	b.Discard()
	return nil
}

// write adds the records to the end of the file. It is open, and locked, for only as long: other components and other agents
// may file there too.
func (b *Box) write() (err error) {
	f, err := b.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := hold(f); err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		return err
	}
	whole, err := endsWhole(f, size)
	if err != nil {
		return err
	}
	records := [][]byte{[]byte("\n"), b.records}
	if whole {
		records = records[1:]
	}
	if err = f.WritevAt(records, size); err == nil {
		err = f.Datasync()
	}
	if err != nil { // the next try begins where this one did
		return errors.Join(err, f.Truncate(size))
	}
	return nil
}

func (b *Box) open() (vfs.File, error) {
	f, err := b.disk.Open(b.policy.File)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	dir := filepath.Dir(b.policy.File)
	if err := b.disk.MkdirAll(dir); err != nil {
		return nil, err
	}
	if f, err = b.disk.Create(b.policy.File); errors.Is(err, fs.ErrExist) {
		return b.disk.Open(b.policy.File) // another component was faster
	}
	if err != nil {
		return nil, err
	}
	if err := b.disk.SyncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// How long the file is waited for while somebody else writes there, and how often it is asked for.
const (
	holdLimit = 5 * time.Second
	holdPause = 2 * time.Millisecond
)

// hold locks the file, where its disk has locks, until it is closed.
func hold(f vfs.File) error {
	h, ok := f.(vfs.Holder)
	if !ok {
		return nil
	}
	for began := time.Now(); ; <-time.After(holdPause) {
		err := h.Hold()
		if !errors.Is(err, vfs.ErrLocked) {
			return nil // held, or a disk without locks
		}
		if time.Since(began) > holdLimit {
			return err
		}
	}
}

// endsWhole tells whether the file ends with a whole line: a writer that was killed may have left a part of one.
func endsWhole(f vfs.File, size int64) (bool, error) {
	if size == 0 {
		return true, nil
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return false, err
	}
	return last[0] == '\n', nil
}

// describe names an event without showing its body.
func describe(e *event.Event) string {
	s := fmt.Sprintf("body of %d bytes, headers", len(e.Body))
	for i, h := range e.Headers {
		if i == 8 {
			return s + " ..."
		}
		s += fmt.Sprintf(" %.40s=%.40q", h.Key, h.Value)
	}
	if len(e.Headers) == 0 {
		s = s[:len(s)-len(", headers")] + ", no headers"
	}
	return s
}

// record is one line of the file.
type record struct {
	Time       time.Time         `json:"time"`
	Sink       string            `json:"sink"`
	Error      string            `json:"error"`
	Headers    map[string]string `json:"headers"`
	Body       *string           `json:"body,omitempty"`       // where it is UTF-8
	BodyBase64 string            `json:"bodyBase64,omitempty"` // where it is not
}

func appendRecord(dst []byte, sink string, e *event.Event, why error) []byte {
	r := record{Time: time.Now().UTC(), Sink: sink, Error: why.Error(), Headers: map[string]string{}}
	for _, h := range e.Headers {
		r.Headers[h.Key] = h.Value
	}
	if utf8.Valid(e.Body) {
		s := string(e.Body)
		r.Body = &s
	} else {
		r.BodyBase64 = base64.StdEncoding.EncodeToString(e.Body)
	}
	line, err := json.Marshal(r)
	if err != nil {
		panic("deadletter: " + err.Error()) // a record has nothing that cannot be encoded
	}
	return append(append(dst, line...), '\n')
}
