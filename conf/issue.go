package conf

import (
	"errors"
	"fmt"
)

// Severity of an Issue.
type Severity uint8

// In the order in which they are shown.
const (
	Error   Severity = iota // refuses the start
	Warning                 // odd, runs
	Note                    // advice
)

func (s Severity) String() string { return [...]string{"error", "warning", "note"}[s] }

// Pos is a span of one line in a configuration file. Lines and columns count from 1, columns in characters;
// EndColumn is the first one after the span. The zero Pos means nowhere, such as for a missing file.
type Pos struct {
	File      *File
	Line      int
	Column    int
	EndColumn int
}

// IsZero tells whether there is no place.
func (p Pos) IsZero() bool { return p.Line == 0 }

// text is what stands in the file at the place, empty if there is none.
func (p Pos) text() string {
	if p.File == nil || p.Line < 1 || p.Line > len(p.File.Lines) {
		return ""
	}
	line := []rune(p.File.Lines[p.Line-1])
	if p.Column < 1 || p.EndColumn < p.Column || p.EndColumn > len(line)+1 {
		return ""
	}
	return string(line[p.Column-1 : p.EndColumn-1])
}

// String gives file:line:column.
func (p Pos) String() string {
	if p.File == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", p.File.Name, p.Line, p.Column)
}

// File is a configuration file's name and text, kept for showing its lines.
type File struct {
	Name  string
	Lines []string // without line ends

	public bool         // every user of the machine may read it
	values []valueSpan  // by line: the value on it
	secret map[int]bool // by the line on which a value starts
}

// valueSpan is the part of a value that stands on one line: columns from..to, of the value that starts on line first.
// first is 0 where there is no value.
type valueSpan struct{ from, to, first int }

// hide marks the value at the place as a secret, so that the file's line is never shown with it.
func (p Pos) hide() {
	if p.File == nil || p.Line > len(p.File.values) || p.Line < 1 {
		return
	}
	if p.File.secret == nil {
		p.File.secret = map[int]bool{}
	}
	p.File.secret[p.File.values[p.Line-1].first] = true
}

// Mark is a place with a word on it, shown under the carets.
type Mark struct {
	At   Pos
	Text string
}

// Secret tells whether the line holds a value, or a part of one, that must not be shown.
func (f *File) Secret(line int) bool {
	if line < 1 || line > len(f.values) {
		return false
	}
	v := f.values[line-1]
	return v.first > 0 && f.secret[v.first]
}

// Issue is one finding in a configuration: what, where, what to do, and what Flume would have done.
// `agent explain CODE` tells more of a code.
type Issue struct {
	Severity Severity
	Code     string // FLnnn
	Message  string
	Mark            // the place itself
	Also     []Mark // second places
	Help     []string
	Notes    []string
	Flume    string // effect in Flume, where it differs
	Secret   bool   // the value at the place is masked wherever the issue is shown

	Agent     string // empty for what concerns the whole file
	Component string // such as sink k1, also for its parts; empty if it is none's
	Property  string

	more    int           // of Few: how many issues this one stands for
	removes []string      // labels of components that Flume would drop for it, beside Component
	effect  func() string // what Flume will say, while it is not yet known
}

// KeyError blames a key of a component, from a settings group's Validate.
type KeyError struct {
	Key  string
	Text string
	Help string
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Text }

// Errorf returns an error of Validate that blames key, as it is written below the component. Several are joined by
// errors.Join.
func Errorf(key, format string, args ...any) error {
	return &KeyError{Key: key, Text: fmt.Sprintf(format, args...)}
}

// keyErrors lists the KeyErrors in err, which may be joined; another error is given without a key.
func keyErrors(err error) []*KeyError {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*KeyError
		for _, e := range many.Unwrap() {
			all = append(all, keyErrors(e)...)
		}
		return all
	}
	var ke *KeyError
	if errors.As(err, &ke) {
		return []*KeyError{ke}
	}
	return []*KeyError{{Text: err.Error()}}
}
