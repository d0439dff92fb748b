package kafka

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestProbeTellsOfBrokersAndTopicsAndMakesNone(t *testing.T) {
	c := fake(t, kfake.SeedTopics(3, "there"), kfake.AllowAutoTopicCreation())
	cfg := quick(t, c)
	for range 2 { // the first has made none
		found, err := Probe(t.Context(), cfg.Conn, cfg.Brokers, []string{"there", "missing"})
		if want := "answers: 1 brokers, topic there with 3 partitions, topic missing is not there yet"; err != nil || !strings.HasSuffix(found, want) {
			t.Errorf("found %q, error %v, want %q", found, err, want)
		}
	}
}

func TestProbeOfAMuteBrokerEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := fake(t, kfake.SeedTopics(1, "there"))
	cfg := quick(t, c)
	cfg.Conn.Net.ReadTimeout = 200 * time.Millisecond
	found, err := Probe(t.Context(), cfg.Conn, append(cfg.Brokers, l.Addr().String()), []string{"there"})
	if err != nil || !strings.Contains(found, l.Addr().String()+" does not: ") {
		t.Errorf("found %q, error %v, want the mute broker to be told of", found, err)
	}
	if _, err := Probe(t.Context(), cfg.Conn, []string{l.Addr().String()}, nil); err == nil {
		t.Error("a mute broker alone was taken for one that answers")
	}
}
