package admin

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goflume/agent"
	"goflume/internal/metric"
)

func TestControlIsForThisMachine(t *testing.T) {
	h := Compat{Sets: new(metric.Registry), Status: testStatus, Log: slog.New(slog.DiscardHandler)}.Control()
	for _, c := range []struct {
		method, host, origin string
		want                 int
	}{
		{"GET", "localhost:41415", "", 200},
		{"GET", "127.0.0.1:41415", "", 200},
		{"GET", "[::1]:41415", "", 200},
		{"GET", "localhost", "", 200},
		{"GET", "localhost:41415", "http://localhost:41415", 200},
		{"GET", "localhost:41415", "http://evil.example", 403},
		{"GET", "localhost:41415", "http://localhost:80", 403},
		{"GET", "evil.example:41415", "", 403},
		{"GET", "10.0.0.1:41415", "", 403},
		{"GET", "", "", 403},
		{"POST", "localhost:41415", "", 405},
	} {
		for _, path := range []string{"/api/v1/status", "/metrics"} {
			r := httptest.NewRequest(c.method, path, nil)
			r.Host = c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("%s %s, host %q, origin %q: %d, want %d", c.method, path, c.host, c.origin, w.Code, c.want)
			}
		}
	}
}

func TestStatusForPrograms(t *testing.T) {
	status := func() agent.Status {
		s := testStatus()
		s.Components[2].Addresses = []string{"127.0.0.1:44444"}
		s.Components[1].LastError, s.Components[1].Dropped = "away", 7
		return s
	}
	r := httptest.NewRequest("GET", "http://localhost/api/v1/status", nil)
	w := httptest.NewRecorder()
	Compat{Sets: new(metric.Registry), Status: status, Log: slog.New(slog.DiscardHandler)}.Control().ServeHTTP(w, r)
	var got jsonStatus
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if got.Agent != "a" || got.Generation != 3 || !got.Ready || len(got.Components) != 3 {
		t.Errorf("status: %+v", got)
	}
	k1, r1 := got.Components[1], got.Components[2]
	if k1.Kind != "sink" || k1.State != agent.Running || k1.LastError != "away" || k1.Delivered == nil || *k1.Delivered || k1.Dropped != 7 {
		t.Errorf("sink: %+v", k1)
	}
	if r1.Kind != "source" || r1.Delivered != nil || len(r1.Addresses) != 1 {
		t.Errorf("source: %+v", r1)
	}
}

func TestListenOnlyOnThisMachine(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "10.0.0.1:41415", "example.org:80", "41415"} {
		if l, err := Listen(addr); err == nil {
			l.Close()
			t.Errorf("Listen(%s): no error, want a refusal", addr)
		}
	}
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestUnixSocketTakesThePlaceOfADeadOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a1.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatalf("in the place of a dead socket: %v", err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v %v, want mode 0660", info.Mode(), err)
	}
	if second, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process listens") {
		if err == nil {
			second.Close()
		}
		t.Errorf("second listener: %v, want a refusal", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen("unix:" + file); err == nil {
		l.Close()
		t.Error("a file in the socket's place: no error")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("a file in the socket's place was taken away")
	}
}
