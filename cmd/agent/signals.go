package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// listen returns the signals that the agent answers. None that ends it is lost, however long nobody looks; of the others one
// of a kind waits.
func listen() (signals <-chan os.Signal, leave func()) {
	in := make(chan os.Signal, 64) // more than come before the goroutine below runs
	signal.Notify(in, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1)
	out, done := make(chan os.Signal), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var waiting []os.Signal
		for {
			var next os.Signal
			var to chan<- os.Signal
			if len(waiting) > 0 {
				next, to = waiting[0], out
			}
			select {
			case <-done:
				return
			case s := <-in:
				if s == syscall.SIGTERM || s == syscall.SIGINT || !slices.Contains(waiting, s) {
					waiting = append(waiting, s)
				}
			case to <- next:
				waiting = waiting[1:]
			}
		}
	}()
	return out, func() {
		signal.Stop(in)
		close(done)
		<-ended
	}
}
