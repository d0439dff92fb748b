package flumelog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"goflume/internal/vfs"
)

// Report tells what Load found.
type Report struct {
	Files      int
	Records    int
	Puts       int // of transactions that were committed
	Takes      int
	Open       int // puts of transactions that never were: Flume drops them too
	Damages    []Damage
	Checkpoint string // how the checkpoint compares: empty where there is none that is whole
	Differs    int    // events on which log and checkpoint do not agree
	Key        string // alias of the newest log that is encrypted; empty: none is
}

// Queue is what is queued in a Flume file channel, in the order in which it was put.
type Queue struct {
	Report
	Events []Pointer

	logs map[int32]*Log
}

// put is one put record: 24 bytes for each event ever logged.
type put struct {
	at    Pointer
	tx    int64
	order int64
}

// Load reads all logs of the data directories. An event is queued if a committed transaction put it and no committed one
// took it; takes may stand in other files than their puts. checkpointDir may be empty; a checkpoint there is compared
// and not used. keys are for encrypted logs and may be nil. progress, where not nil, is called per file with the bytes read
// and the bytes of all.
func Load(fsys vfs.FS, dataDirs []string, checkpointDir string, keys Keys, progress func(done, total int64)) (*Queue, error) {
	q := &Queue{logs: map[int32]*Log{}}
	var total int64
	var order []*Log
	for _, dir := range dataDirs {
		names, err := fsys.List(dir)
		if err != nil {
			q.Close()
			return nil, err
		}
		for _, name := range names {
			if !IsLog(name) {
				continue
			}
			l, err := Open(fsys, dir, name, keys)
			if err == nil && q.logs[l.ID] != nil {
				err = fmt.Errorf("%s and %s have the same number", q.logs[l.ID].Name, l.Name)
			}
			if err != nil {
				q.Close()
				return nil, err
			}
			q.logs[l.ID] = l
			order = append(order, l)
			total += l.size
		}
	}
	q.Files = len(order)
	slices.SortFunc(order, func(a, b *Log) int { return cmp.Compare(a.ID, b.ID) })
	h := history{commits: map[int64]int64{}}
	var done int64
	for _, l := range order {
		damages, records := len(q.Damages), q.Records
		err := h.read(l, &q.Report)
		if err == nil && l.Key != "" && len(q.Damages) > damages && q.Records == records {
			err = fmt.Errorf("%s: key %q opens none of its records: it is another key", l.Name, l.Key)
		}
		if l.Key != "" {
			q.Key = l.Key
		}
		if err != nil {
			q.Close()
			return nil, err
		}
		if done += l.size; progress != nil {
			progress(done, total)
		}
	}
	q.Events = h.live(&q.Report)
	if checkpointDir != "" {
		if err := q.compare(fsys, checkpointDir, &h); err != nil {
			q.Close()
			return nil, err
		}
	}
	return q, nil
}

// IsLog tells whether a file of that name is one of Flume's logs.
func IsLog(name string) bool {
	ok, _ := filepath.Match("log-[0-9]*", name)
	for _, r := range name[min(4, len(name)):] {
		ok = ok && r >= '0' && r <= '9'
	}
	return ok
}

// Close closes the files.
func (q *Queue) Close() {
	for _, l := range q.logs {
		l.Close()
	}
}

// Read returns the event of a put.
func (q *Queue) Read(p Pointer) (Record, error) {
	l := q.logs[p.File()]
	if l == nil {
		return Record{}, fmt.Errorf("log-%d is gone", p.File())
	}
	r, err := l.ReadAt(p)
	if err == nil && r.Kind != Put {
		err = fmt.Errorf("record at %s:%d is no put", l.Name, p.Offset())
	}
	return r, err
}

// history is what all the logs say.
type history struct {
	puts    []put
	takes   []put           // at: the put they take
	commits map[int64]int64 // write order of the commit, by transaction
}

func (h *history) read(l *Log, rep *Report) error {
	for {
		r, err := l.Next()
		var d *Damage
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &d):
			rep.Damages = append(rep.Damages, *d)
			if d.Ends {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		rep.Records++
		switch r.Kind {
		case Put:
			h.puts = append(h.puts, put{r.At, r.Tx, r.Order})
		case Take:
			h.takes = append(h.takes, put{r.Of, r.Tx, r.Order})
		case Commit:
			h.commits[r.Tx] = r.Order
		}
	}
}

func (h *history) live(rep *Report) []Pointer {
	taken := make(map[Pointer]bool, len(h.takes))
	for _, t := range h.takes {
		if _, ok := h.commits[t.tx]; ok {
			taken[t.at] = true
			rep.Takes++
		}
	}
	slices.SortFunc(h.puts, func(a, b put) int { return cmp.Compare(a.order, b.order) })
	var live []Pointer
	for _, p := range h.puts {
		if _, ok := h.commits[p.tx]; !ok {
			rep.Open++
			continue
		}
		rep.Puts++
		if !taken[p.at] {
			live = append(live, p.at)
		}
	}
	return live
}

// compare works the queue out once more, from the checkpoint and what was logged since.
func (q *Queue) compare(fsys vfs.FS, dir string, h *history) error {
	k, err := readCheckpoint(fsys, dir)
	if err != nil || k == nil {
		return err
	}
	want := map[Pointer]bool{}
	for _, p := range k.queue {
		want[p] = true
	}
	for _, p := range h.puts {
		if at, ok := h.commits[p.tx]; ok && at > k.order {
			want[p.at] = true
		}
	}
	for _, t := range h.takes {
		if at, ok := h.commits[t.tx]; ok && at > k.order {
			delete(want, t.at)
		}
	}
	only := 0
	for _, p := range q.Events {
		if want[p] {
			delete(want, p)
		} else {
			only++
		}
	}
	q.Differs = only + len(want)
	q.Checkpoint = "agrees with the log"
	if q.Differs > 0 {
		q.Checkpoint = fmt.Sprintf("differs from the log: %d events are queued by the log alone (imported, perhaps once more), %d by the checkpoint alone (their records are gone)", only, len(want))
	}
	return nil
}
