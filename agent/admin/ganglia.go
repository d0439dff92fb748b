package admin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"goflume/internal/metric"
	"goflume/internal/safe"
)

// Ganglia sends every attribute of Flume's JSON to gmond, as Flume's GangliaServer does: by UDP, in XDR, under the name
// flume.TYPE.component.attribute.
type Ganglia struct {
	Sets  *metric.Registry
	Hosts []string      // host:port of each gmond
	Every time.Duration // between two reports
	Old   bool          // the packets of Ganglia 3.0 in place of those of 3.1
	Log   *slog.Logger
}

// Run reports until ctx ends. A gmond that is away is told of once.
func (g Ganglia) Run(ctx context.Context) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	tick := time.NewTicker(g.Every)
	defer tick.Stop()
	for said := false; ; {
		err := safe.Call(func() error { return g.report(ctx, host) })
		if err != nil && !said && ctx.Err() == nil {
			g.Log.Warn("Metrics cannot be sent to Ganglia and will be sent again", "err", err)
		}
		said = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// report sends all attributes to all hosts.
func (g Ganglia) report(ctx context.Context, host string) error {
	const patience = 5 * time.Second // for names and full buffers
	var errs []error
	for _, to := range g.Hosts {
		d := net.Dialer{Timeout: patience}
		conn, err := d.DialContext(ctx, "udp", to)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		conn.SetWriteDeadline(time.Now().Add(patience))
		for _, packet := range g.packets(host) {
			if _, err := conn.Write(packet); err != nil {
				errs = append(errs, err)
				break
			}
		}
		conn.Close()
	}
	return errors.Join(errs...)
}

func (g Ganglia) packets(host string) (all [][]byte) {
	add := func(set *metric.Set, attr, value string) {
		name := "flume." + string(set.Kind) + "." + set.Name + "." + attr
		kind := "float"
		if _, err := strconv.ParseFloat(value, 32); err != nil && !errors.Is(err, strconv.ErrRange) {
			kind = "string"
		}
		if g.Old {
			all = append(all, ganglia30(kind, name, value))
		} else {
			all = append(all, ganglia31(host, kind, name, value)...)
		}
	}
	for _, s := range g.Sets.Sets() {
		add(s, "Type", string(s.Kind))
		for _, a := range s.Attrs() {
			if a.Flume != "" && !a.Hidden {
				add(s, a.Flume, flumeValue(a))
			}
		}
		started, stopped := s.Times()
		add(s, "StartTime", strconv.FormatInt(started, 10))
		add(s, "StopTime", strconv.FormatInt(stopped, 10))
	}
	return all
}

// What stands in every packet: a value that goes up and down, kept for ever, expected once a minute.
const (
	gangliaUserDefined = 0   // packet of 3.0
	gangliaMetadata    = 128 // packets of 3.1
	gangliaString      = 133
	gangliaSlopeBoth   = 3
	gangliaTmax        = 60 // seconds
	gangliaDmax        = 0
)

// ganglia30 is a value in one packet: what it is, type, name, value, unit, slope, tmax, dmax.
func ganglia30(kind, name, value string) []byte {
	var x xdr
	x.int(gangliaUserDefined)
	x.string(kind, name, value, "")
	x.int(gangliaSlopeBoth, gangliaTmax, gangliaDmax)
	return x
}

// ganglia31 is a value in two packets: what it is, with one further property, its group; and the value.
func ganglia31(host, kind, name, value string) [][]byte {
	var meta, data xdr
	meta.int(gangliaMetadata)
	meta.string(host, name)
	meta.int(0) // not on behalf of another host
	meta.string(kind, name, "")
	meta.int(gangliaSlopeBoth, gangliaTmax, gangliaDmax, 1)
	meta.string("GROUP", "flume")
	data.int(gangliaString)
	data.string(host, name)
	data.int(0)
	data.string("%s", value)
	return [][]byte{meta, data}
}

// xdr is text in the external data representation (RFC 4506): big-endian numbers of four bytes, strings with their length
// before and zeros up to a multiple of four behind them.
type xdr []byte

func (x *xdr) int(all ...uint32) {
	for _, n := range all {
		*x = binary.BigEndian.AppendUint32(*x, n)
	}
}

func (x *xdr) string(all ...string) {
	for _, s := range all {
		x.int(uint32(len(s)))
		*x = append(*x, s...)
		for len(*x)%4 != 0 {
			*x = append(*x, 0)
		}
	}
}

// gangliaSettings reads the properties of flume.monitoring.type=ganglia.
func (m *Monitoring) gangliaSettings(get func(name string) string) error {
	for host := range strings.FieldsFuncSeq(get("hosts"), func(r rune) bool { return r == ',' || r == ' ' }) {
		if _, _, err := net.SplitHostPort(host); err != nil {
			return fmt.Errorf("flume.monitoring.hosts: %q is not host:port", host)
		}
		m.Hosts = append(m.Hosts, host)
	}
	if len(m.Hosts) == 0 {
		return errors.New("flume.monitoring.type=ganglia: flume.monitoring.hosts names no gmond: say host:port,host:port")
	}
	m.Every = time.Minute
	if s := get("pollFrequency"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("flume.monitoring.pollFrequency=%s: not a number of seconds above 0", s)
		}
		m.Every = time.Duration(n) * time.Second
	}
	m.Old = strings.EqualFold(get("isGanglia3"), "true")
	return nil
}
