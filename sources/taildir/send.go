package taildir

import (
	"context"
	"strconv"
	"time"

	"goflume/sources"
)

// send sends the lines that were read, with all also what stands behind them without a newline.
func (f *file) send(ctx context.Context, w *follower, all bool) error {
	batches := int64(0)
	at := f.pos
	f.waiting = false
	for text, ok := w.next(f); ok; text, ok = w.next(f) {
		at = f.add(w, text, at) + 1
		if len(w.batch.Events) >= w.settings.BatchSize {
			if err := f.deliver(ctx, w, at); err != nil {
				return err
			}
			if batches++; batches == w.settings.MaxBatchCount {
				f.waiting = true
				return nil
			}
		}
	}
	at = f.addRest(w, at, all)
	if len(w.batch.Events) > 0 {
		if err := f.deliver(ctx, w, at); err != nil {
			return err
		}
	}
	w.expect(f)
	return nil
}

// next returns the next event that was read whole, without its newline.
func (w *follower) next(f *file) (text []byte, ok bool) {
	if w.first != nil {
		return f.lines.NextGroup(w.first)
	}
	return f.lines.Next()
}

// add adds a line, or the lines of an event, to the batch, in pieces if it is too long, and returns the offset behind it.
func (f *file) add(w *follower, text []byte, at int64) int64 {
	end := at + int64(len(text))
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	for most := w.settings.MaxLineLength; len(text) > most; text = text[most:] {
		f.addEvent(w, text[:most], at)
		at += int64(most)
	}
	f.addEvent(w, text, at)
	return end
}

// addRest adds what can wait no longer: what is too long and, with all, everything.
func (f *file) addRest(w *follower, at int64, all bool) int64 {
	most := w.settings.MaxLineLength
	long := func() bool { return len(f.lines.Rest()) > most+1 } // with the carriage return of its end
	whole := len(f.lines.Group()) == len(f.lines.Rest())
	if w.first != nil && (long() || all && whole) {
		if group, ok := f.lines.TakeGroup(); ok {
			at = f.add(w, group, at) + 1
		}
	}
	for long() || all && len(f.lines.Rest()) > 0 {
		rest := f.lines.Rest()
		n := min(most, len(rest))
		f.addEvent(w, rest[:n], at)
		f.lines.Skip(n)
		at += int64(n)
	}
	return at
}

func (f *file) addEvent(w *follower, text []byte, at int64) {
	e := f.lines.Adopt(&w.batch, text)
	e.Headers = f.headers
	if w.settings.ByteOffsetHeader {
		w.batch.SetHeader(e, "byteoffset", strconv.FormatInt(at, 10))
	}
}

// deliver sends the batch until it is held, and notes that everything before at was delivered, which is where the lines
// go on.
func (f *file) deliver(ctx context.Context, w *follower, at int64) error {
	err := sources.DeliverWith(ctx, w.out, &w.batch, w.settings.Retry.Backoff(), w.refused)
	w.batch.Reset()
	if err != nil {
		return err
	}
	delivered := f.lines.Before(int(at - f.pos)) // all of it: a chunk begins where the last one was delivered to
	if int64(len(f.head)) == f.pos && len(f.head) < headBytes {
		f.head = append(f.head, delivered[:min(len(delivered), headBytes-len(f.head))]...)
	}
	if f.tail == nil {
		f.tail = make([]byte, 0, tailBytes)
	}
	f.tail = lastBytes(f.tail, delivered)
	f.pos = at
	f.passed[f.passes%passedMarks] = passed{at, hash(f.tail)}
	f.passes++
	w.note(f)
	return nil
}

// refused looks for rotated files while the channels refuse, as a name may come and go before they take something, and
// writes what they took before.
func (w *follower) refused(err error) {
	w.health(err)
	if err == nil {
		return
	}
	now := time.Now()
	if w.hear(); !now.Before(w.lookAt) {
		w.look(false)
	}
	w.writeDue(now)
}
