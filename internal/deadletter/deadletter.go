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
// Commit, once the rest of their batch is delivered.
type Box struct {
	policy  Policy
	sink    string
	log     *slog.Logger
	dropped *metric.Counter
	disk    vfs.FS
	file    vfs.File
	size    int64

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

// Close closes the file; a later Commit opens it again.
func (b *Box) Close() error {
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	b.file = nil
	return err
}

func (b *Box) write() (err error) {
	if b.file == nil {
		if err := b.open(); err != nil {
			return err
		}
	}
	_, err = b.file.WriteAt(b.records, b.size)
	if err == nil {
		err = b.file.Datasync()
	}
	if err != nil {
		// The next try writes the same place again, through a file opened anew.
		return errors.Join(err, b.Close())
	}
	b.size += int64(len(b.records))
	return nil
}

func (b *Box) open() error {
	dir := filepath.Dir(b.policy.File)
	f, err := b.disk.Open(b.policy.File)
	if errors.Is(err, fs.ErrNotExist) {
		if err := b.disk.MkdirAll(dir); err != nil {
			return err
		}
		if f, err = b.disk.Create(b.policy.File); err == nil {
			err = b.disk.SyncDir(dir)
		}
	}
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if b.size == 0 || b.size > size { // first opened, or somebody moved it away
		b.size = size
	}
	b.file = f
	return nil
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
