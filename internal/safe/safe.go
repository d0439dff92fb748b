// Package safe turns a panic of one component into an error of that component, so that no other flow stops with it.
package safe

import (
	"fmt"
	"runtime/debug"
)

// Panic is a panic that was caught: a bug in this program.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string {
	return fmt.Sprintf("panic: %v (a bug; the stack is in the log)", p.Value)
}

// Call runs f and returns its error; a panic in f is returned as a *Panic.
func Call(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Panic{v, debug.Stack()}
		}
	}()
	return f()
}

// Value runs f and returns its value; a panic in f is returned as a *Panic.
func Value[T any](f func() T) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Panic{p, debug.Stack()}
		}
	}()
	return f(), nil
}

// Go is Call for the top of a goroutine: f's error, if any, is given to failed.
func Go(f func() error, failed func(error)) {
	if err := Call(f); err != nil {
		failed(err)
	}
}
