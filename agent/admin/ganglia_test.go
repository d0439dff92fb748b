package admin

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goflume/internal/metric"
)

// unpack reads a packet by a pattern: i is a number, s a string.
func unpack(t *testing.T, packet []byte, pattern string) (all []any) {
	t.Helper()
	number := func() uint32 {
		if len(packet) < 4 {
			t.Fatalf("the packet ends within a number; so far %v", all)
		}
		n := binary.BigEndian.Uint32(packet)
		packet = packet[4:]
		return n
	}
	for _, what := range pattern {
		if what == 'i' {
			all = append(all, int(number()))
			continue
		}
		n := int(number())
		if padded := (n + 3) / 4 * 4; padded > len(packet) {
			t.Fatalf("the packet ends within a string; so far %v", all)
		} else {
			all = append(all, string(packet[:n]))
			packet = packet[padded:]
		}
	}
	if len(packet) > 0 {
		t.Errorf("%d bytes too many behind %v", len(packet), all)
	}
	return all
}

func TestGangliaIsSentWhatFlumeSends(t *testing.T) {
	for _, old := range []bool{false, true} {
		l, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var sets metric.Registry
		s := sets.Set(metric.Sink, "a1", "k1", "null")
		s.Counter("EventDrainSuccessCount", "", "").Add(42)
		s.Start(time.UnixMilli(1700000000123))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Ganglia{Sets: &sets, Hosts: []string{l.LocalAddr().String()}, Every: time.Hour, Old: old, Log: slog.New(slog.DiscardHandler)}.Run(ctx)
		}()
		buf := make([]byte, 1500)
		l.SetReadDeadline(time.Now().Add(time.Minute))
		next := func() []byte {
			n, err := l.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			return slices.Clone(buf[:n])
		}
		var got [][]any
		for range 4 { // Type, the counter, StartTime, StopTime
			if old {
				got = append(got, unpack(t, next(), "issssiii"))
				continue
			}
			meta, data := unpack(t, next(), "ississsiiiiss"), unpack(t, next(), "ississ")
			if meta[1] != data[1] || meta[1] == "" {
				t.Errorf("hosts %v and %v", meta[1], data[1])
			}
			meta[1], data[1] = "", ""
			got = append(got, meta, data)
		}
		cancel()
		<-ended
		var want [][]any
		for _, v := range [][3]string{{"Type", "SINK", "string"}, {"EventDrainSuccessCount", "42", "float"}, {"StartTime", "1700000000123", "float"}, {"StopTime", "0", "float"}} {
			name := "flume.SINK.k1." + v[0]
			if old {
				want = append(want, []any{0, v[2], name, v[1], "", 3, 60, 0})
				continue
			}
			want = append(want, []any{128, "", name, 0, v[2], name, "", 3, 60, 0, 1, "GROUP", "flume"}, []any{133, "", name, 0, "%s", v[1]})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("old %v (-want +got):\n%s", old, diff)
		}
	}
}

func TestGangliaSettings(t *testing.T) {
	parse := func(properties map[string]string) (Monitoring, error) {
		properties["type"] = "ganglia"
		return ParseMonitoring(func(name string) string { return properties[name] })
	}
	m, err := parse(map[string]string{"hosts": "a:8649, b:8650", "isGanglia3": "true"})
	if err != nil || !slices.Equal(m.Hosts, []string{"a:8649", "b:8650"}) || m.Every != time.Minute || !m.Old {
		t.Errorf("%+v, %v", m, err)
	}
	for want, properties := range map[string]map[string]string{
		"names no gmond":      {},
		"is not host:port":    {"hosts": "gmond"},
		"number of seconds":   {"hosts": "a:1", "pollFrequency": "0"},
		"pollFrequency=often": {"hosts": "a:1", "pollFrequency": "often"},
	} {
		if _, err := parse(properties); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want an error with %q", properties, err, want)
		}
	}
}
