package interceptor

import (
	"strconv"
	"time"

	"goflume/event"
	"goflume/internal/machine"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "timestamp", []string{flume + "TimestampInterceptor$Builder", flume + "TimestampInterceptor"},
		TimestampSettings{HeaderName: "timestamp"}, newTimestamp)
	registry.Add(Registry, "host", []string{flume + "HostInterceptor$Builder", flume + "HostInterceptor"},
		HostSettings{UseIP: true, HostHeader: "host"}, newHost)
	registry.Add(Registry, "static", []string{flume + "StaticInterceptor$Builder", flume + "StaticInterceptor"},
		StaticSettings{Key: "key", Value: "value", PreserveExisting: true}, newStatic)
}

// flume is the Java package of the interceptors' class names.
const flume = "org.apache.flume.interceptor."

// TimestampSettings are the settings of the timestamp interceptor, which puts the time at which an event came in into a header.
type TimestampSettings struct {
	// Header that gets the time, in milliseconds since 1970.
	HeaderName string `conf:"headerName"`
	// Keep a header that is there already.
	PreserveExisting bool `conf:"preserveExisting"`
}

// setter sets one header to one value for a whole batch.
type setter struct {
	key      string
	preserve bool
}

func (s setter) set(b *event.Batch, value string) {
	for i := range b.Events {
		e := &b.Events[i]
		if s.preserve {
			if _, there := e.Header(s.key); there {
				continue
			}
		}
		b.SetHeader(e, s.key, value)
	}
}

// timestamp gives every event of a batch the time at which the batch came in.
type timestamp struct{ setter }

func newTimestamp(_ registry.Env, s TimestampSettings) (Interceptor, error) {
	return timestamp{setter{s.HeaderName, s.PreserveExisting}}, nil
}

func (t timestamp) Intercept(b *event.Batch) error {
	t.set(b, strconv.FormatInt(time.Now().UnixMilli(), 10))
	return nil
}

// HostSettings are the settings of the host interceptor, which puts the address or name of this machine into a header.
type HostSettings struct {
	// Put the machine's address into the header, not its full name.
	UseIP bool `conf:"useIP"`
	// Header that gets the address or name.
	HostHeader string `conf:"hostHeader"`
	// Keep a header that is there already.
	PreserveExisting bool `conf:"preserveExisting"`
}

// host names the machine in every event; while its name cannot be found the header is left out, as in Flume.
type host struct {
	setter
	which string
	env   registry.Env
}

func newHost(env registry.Env, s HostSettings) (Interceptor, error) {
	h := host{setter{s.HostHeader, s.PreserveExisting}, machine.Full, env}
	if s.UseIP {
		h.which = machine.Address
	}
	return h, nil
}

func (h host) Intercept(b *event.Batch) error {
	name, err := machine.Name(h.which)
	if err != nil {
		h.env.Log.Debug("Host header left out", "interceptor", h.env.Name, "err", err)
		return nil
	}
	h.set(b, name)
	return nil
}

// StaticSettings are the settings of the static interceptor, which gives every event the same header.
type StaticSettings struct {
	// Header to set.
	Key string `conf:"key"`
	// Its value.
	Value string `conf:"value"`
	// Keep a header that is there already.
	PreserveExisting bool `conf:"preserveExisting"`
}

type static struct {
	setter
	value string
}

func newStatic(_ registry.Env, s StaticSettings) (Interceptor, error) {
	return static{setter{s.Key, s.PreserveExisting}, s.Value}, nil
}

func (s static) Intercept(b *event.Batch) error {
	s.set(b, s.value)
	return nil
}
