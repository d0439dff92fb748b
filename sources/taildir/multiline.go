package taildir

import (
	"bytes"
	"context"
	"time"

	"goflume/internal/javaregex"
)

// firstLine returns what tells of a line whether it is the first one of an event; nil where every line is one.
func firstLine(pattern string) (func(line []byte) bool, error) {
	if pattern == "" {
		return nil, nil
	}
	re, err := javaregex.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return func(line []byte) bool {
		ok, err := re.Match(bytes.TrimSuffix(line, []byte{'\r'}))
		return ok || err != nil // a pattern that takes too long on a line joins no lines
	}, nil
}

// expect has the lines of an event whose end was not read sent when no more come.
func (w *follower) expect(f *file) {
	if w.first == nil {
		return
	}
	if f.lines == nil || len(f.lines.Group()) == 0 {
		delete(w.open, f)
		return
	}
	w.open[f] = true
	if due := f.grown.Add(w.settings.MultiLineTimeout); w.endAt.IsZero() || due.Before(w.endAt) {
		w.endAt = due
	}
}

// endEvents sends the lines of those events for which no more came for long enough.
func (w *follower) endEvents(ctx context.Context, now time.Time) {
	if w.endAt.IsZero() || now.Before(w.endAt) {
		return
	}
	w.endAt = time.Time{}
	for f := range w.open {
		if f.unread || now.Before(f.grown.Add(w.settings.MultiLineTimeout)) {
			w.expect(f)
			continue
		}
		delete(w.open, f)
		if f.lines == nil {
			continue
		}
		group, ok := f.lines.TakeGroup()
		if !ok {
			continue
		}
		if f.deliver(ctx, w, f.add(w, group, f.pos)+1) != nil {
			return
		}
	}
}
