package elasticsearch

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"goflume/event"
)

// maxID is the longest identifier that a server takes, in bytes; a longer one would fail its whole request.
const maxID = 512

var errID = errors.New("no valid identifier")

// bulk holds the documents of a batch, each with its action line in front, in the order of the events.
type bulk struct {
	buf   []byte
	items []item
	part  []byte // of a request that does not take all of buf
}

// item is one document.
type item struct {
	event    *event.Event
	from, to int  // in buf
	create   bool // a conflict means that it is stored already
}

func (b *bulk) reset() { b.buf, b.items = b.buf[:0], b.items[:0] }

// body returns the request for the items: buf itself where they are neighbours.
func (b *bulk) body(items []item) []byte {
	whole := true
	for i := 1; i < len(items) && whole; i++ {
		whole = items[i].from == items[i-1].to
	}
	if whole {
		return b.buf[items[0].from:items[len(items)-1].to]
	}
	b.part = b.part[:0]
	for _, it := range items {
		b.part = append(b.part, b.buf[it.from:it.to]...)
	}
	return b.part
}

// add appends an event's action line and document. The error says why it can never be stored.
func (k *Sink) add(e *event.Event, now time.Time) error {
	index, err := k.names.index(e, now)
	if err != nil {
		return err
	}
	if err := checkIndex(index); err != nil {
		return err
	}
	id, err := k.id(e)
	if err != nil {
		return err
	}
	b := &k.bulk
	from := len(b.buf)
	op := `{"index":{"_index":`
	if id != "" || k.s.DataStream {
		op = `{"create":{"_index":`
	}
	b.buf = append(b.buf, op...)
	b.buf = appendText(b.buf, index)
	if id != "" {
		b.buf = appendText(append(b.buf, `,"_id":`...), id)
	}
	if routing, ok := e.Header(k.s.RoutingHeader); ok && k.s.RoutingHeader != "" {
		b.buf = appendText(append(b.buf, `,"routing":`...), routing)
	}
	b.buf = append(b.buf, "}}\n"...)
	b.buf = k.shape(b.buf, e, k.s.DataStream, now)
	b.buf = append(b.buf, '\n')
	b.items = append(b.items, item{e, from, len(b.buf), id != ""})
	return nil
}

// id returns the event's identifier, empty where the server chooses it.
func (k *Sink) id(e *event.Event) (string, error) {
	switch k.s.DocumentID {
	case "header":
		id, _ := e.Header(k.s.DocumentIDHeader)
		if id == "" || len(id) > maxID {
			return "", fmt.Errorf("%w: header %s has %d bytes, want 1 to %d", errID, k.s.DocumentIDHeader, len(id), maxID)
		}
		return id, nil
	case "hash":
		h := sha256.New()
		var size [8]byte
		part := func(s []byte) {
			binary.BigEndian.PutUint64(size[:], uint64(len(s)))
			h.Write(size[:])
			h.Write(s)
		}
		part(e.Body)
		for _, hd := range e.Headers {
			part([]byte(hd.Key))
			part([]byte(hd.Value))
		}
		var sum [sha256.Size]byte
		return base64.RawURLEncoding.EncodeToString(h.Sum(sum[:0])[:20]), nil
	}
	return "", nil
}

// verdict is what a server says of one document.
type verdict struct {
	Status int     `json:"status"`
	Error  problem `json:"error"`
}

// problem is an error as servers tell it: an object, or only a text.
type problem struct {
	Type   string
	Reason string
}

func (p *problem) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &p.Reason)
	}
	var object struct{ Type, Reason string }
	err := json.Unmarshal(text, &object)
	*p = problem(object)
	return err
}

func (p problem) String() string {
	if p.Type == "" {
		return p.Reason
	}
	return p.Type + ": " + p.Reason
}

// verdicts reads the answer to a bulk request of n documents.
func (a answer) verdicts(n int) ([]verdict, error) {
	var reply struct {
		Items []struct {
			Index  *verdict `json:"index"`
			Create *verdict `json:"create"`
		} `json:"items"`
	}
	if err := json.Unmarshal(a.body, &reply); err != nil {
		return nil, fmt.Errorf("%s answered %d with what is no JSON: %w", a.from, a.status, err)
	}
	if len(reply.Items) != n {
		return nil, fmt.Errorf("%s answered for %d of %d documents", a.from, len(reply.Items), n)
	}
	all := make([]verdict, n)
	for i, it := range reply.Items {
		switch {
		case it.Create != nil:
			all[i] = *it.Create
		case it.Index != nil:
			all[i] = *it.Index
		}
	}
	return all, nil
}

// problem reads the reason of an answer that refuses a whole request; some have no body.
func (a answer) problem() string {
	var reply struct {
		Error problem `json:"error"`
	}
	if json.Unmarshal(a.body, &reply) != nil || reply.Error.String() == "" {
		return fmt.Sprintf("%.200q", a.body)
	}
	return reply.Error.String()
}
