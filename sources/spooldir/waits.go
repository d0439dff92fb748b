package spooldir

import (
	"cmp"
	"container/heap"
	"time"
)

// waits holds the files that are to be read on later.
type waits struct {
	order byDue
	names map[string]bool
}

// add has the file wait for so long.
func (w *waits) add(f *file, d time.Duration) {
	if w.names == nil {
		w.names = map[string]bool{}
	}
	f.due = time.Now().Add(d)
	w.names[f.name] = true
	heap.Push(&w.order, f)
}

// take returns a file that is due, nil when there is none.
func (w *waits) take(now time.Time) *file {
	if len(w.order) == 0 || w.order[0].due.After(now) {
		return nil
	}
	f := heap.Pop(&w.order).(*file)
	delete(w.names, f.name)
	return f
}

func (w *waits) has(name string) bool { return w.names[name] }

// due returns when the first file is to be read on.
func (w *waits) due() (at time.Time, ok bool) {
	if len(w.order) == 0 {
		return at, false
	}
	return w.order[0].due, true
}

// byDue is a heap.
type byDue []*file

func (q byDue) Len() int { return len(q) }
func (q byDue) Less(i, j int) bool {
	return cmp.Or(q[i].due.Compare(q[j].due), cmp.Compare(q[i].name, q[j].name)) < 0
}
func (q byDue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *byDue) Push(f any)   { *q = append(*q, f.(*file)) }
func (q *byDue) Pop() any {
	last := len(*q) - 1
	f := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return f
}
