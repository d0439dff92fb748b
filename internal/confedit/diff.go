package confedit

import (
	"fmt"
	"io"

	"goflume/conf"
)

// op is a line of a diff.
type op struct {
	sign byte // as in a diff: blank, - or +
	text string
	open bool // no line end follows in the file
}

// context is how many lines around a change a diff shows.
const context = 3

// WriteDiff writes the changes as a unified diff, nothing if there are none. Secrets in it are masked.
func (t *Text) WriteDiff(w io.Writer) error {
	if !t.Changed() {
		return nil
	}
	name := conf.Clean(t.file.Name)
	if _, err := fmt.Fprintf(w, "--- %s\n+++ %s\n", name, name); err != nil {
		return err
	}
	ops := t.ops()
	oldLine, newLine := 1, 1
	for i := 0; i < len(ops); {
		from, to := hunk(ops, i)
		for ; i < from; i++ {
			oldLine++
			newLine++
		}
		var removed, added int
		for _, o := range ops[from:to] {
			if o.sign != '+' {
				removed++
			}
			if o.sign != '-' {
				added++
			}
		}
		if from == to {
			return nil
		}
		if _, err := fmt.Fprintf(w, "@@ -%d,%d +%d,%d @@\n", oldLine, removed, newLine, added); err != nil {
			return err
		}
		for _, o := range ops[from:to] {
			if _, err := fmt.Fprintf(w, "%c%s\n", o.sign, conf.Clean(o.text)); err != nil {
				return err
			}
			if o.open {
				if _, err := io.WriteString(w, "\\ No newline at end of file\n"); err != nil {
					return err
				}
			}
		}
		oldLine, newLine, i = oldLine+removed, newLine+added, to
	}
	return nil
}

// hunk finds the first lines from i on that belong together; from is to where there is no change any more.
func hunk(ops []op, i int) (from, to int) {
	first := i
	for first < len(ops) && ops[first].sign == ' ' {
		first++
	}
	if first == len(ops) {
		return first, first
	}
	last := first
	for j := first; j < len(ops) && j-last <= 2*context; j++ {
		if ops[j].sign != ' ' {
			last = j
		}
	}
	return max(i, first-context), min(len(ops), last+1+context)
}

// ops are all lines of the file, what is removed before what is put in its place.
func (t *Text) ops() []op {
	var ops, added []op
	flush := func() {
		ops = append(ops, added...)
		added = nil
	}
	for i := range t.lines {
		l := &t.lines[i]
		open := l.end == ""
		same := len(l.spans) == 0 && l.comment == "" && !(open && len(l.below) > 0)
		if same {
			flush()
			ops = append(ops, op{' ', t.masked(i, t.file.Lines[i]), open})
		} else {
			ops = append(ops, op{'-', t.masked(i, t.file.Lines[i]), open})
			added = append(added, op{'+', t.after(i, true), open && len(l.below) == 0})
		}
		for j, text := range l.below {
			added = append(added, op{'+', text, open && j == len(l.below)-1})
		}
	}
	flush()
	return ops
}
