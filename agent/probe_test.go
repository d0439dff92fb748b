package agent

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type prober func(ctx context.Context) (string, error)

func (p prober) Probe(ctx context.Context) (string, error) { return p(ctx) }

func TestAProbeIsBoundedInTime(t *testing.T) {
	for name, p := range map[string]prober{
		"one that listens to its context": func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() },
		"one that does not":               func(context.Context) (string, error) { time.Sleep(time.Hour); return "late", nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			found, err := ask(t.Context(), p, 5*time.Second)
			if took := time.Since(began); took > 6*time.Second || found != "" || err == nil || err.Error() != "no answer within 5s" {
				t.Errorf("%s: found %q, %v after %v", name, found, err, took)
			}
			time.Sleep(time.Hour) // the one left behind ends
		})
	}
}

func TestAProbeThatPanicsFails(t *testing.T) {
	if _, err := ask(t.Context(), prober(func(context.Context) (string, error) { panic("oops") }), time.Second); err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("error %v, want the panic", err)
	}
}

func TestAProbeTellsWhoHasThePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = ask(t.Context(), prober(func(context.Context) (string, error) {
		_, err := net.Listen("tcp", l.Addr().String())
		return "", err
	}), time.Second)
	var taken *PortError
	if !errors.As(err, &taken) || taken.Holder == "" {
		t.Errorf("error %v, want one that names who listens on %s", err, l.Addr())
	}
}
