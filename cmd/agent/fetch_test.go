package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
)

// webConf serves text, which changes with its etag, to those who know the password.
func webConf(t *testing.T) (url string, text *atomic.Pointer[string], hits *atomic.Int64) {
	text, hits = new(atomic.Pointer[string]), new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		if u, p, _ := r.BasicAuth(); u != "u" || p != "sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body := *text.Load()
		tag := fmt.Sprintf("%q", fmt.Sprint(len(body)))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/conf/a.conf", text, hits
}

func TestAConfigurationOnAWebServerIsFollowed(t *testing.T) {
	url, text, hits := webConf(t)
	first, second := "a1.sources = r1\n", "a1.sources = r1 r2\n"
	text.Store(&first)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &options{uris: []string{url}, user: "u", passFile: password}
	all, leave, err := o.remotes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if issues := o.refused(); len(issues) != 0 || len(o.files) != 1 || filepath.Base(o.files[0]) != "a.conf" {
		t.Fatalf("%v, files %v", issues, o.files)
	}
	holds := func(want string) bool {
		got, err := os.ReadFile(o.files[0])
		return err == nil && string(got) == want
	}
	if !holds(first) {
		t.Fatal("the copy is not the configuration")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		all[0].follow(ctx, time.Millisecond, slog.New(slog.DiscardHandler))
		close(ended)
	}()
	for n := hits.Load() + 3; hits.Load() < n; { // looked at, and not changed
		<-time.After(time.Millisecond)
	}
	if !holds(first) {
		t.Error("an unchanged configuration was changed")
	}
	text.Store(&second)
	for deadline := time.Now().Add(patience); !holds(second); {
		if time.Now().After(deadline) {
			t.Fatal("the change is not seen")
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	<-ended
	all[0].close()
	leave()
	if _, err := os.Stat(o.files[0]); !os.IsNotExist(err) {
		t.Errorf("the copy is left behind: %v", err)
	}
}

func TestAConfigurationThatCannotBeFetchedIsAnError(t *testing.T) {
	url, text, _ := webConf(t)
	conf := ""
	text.Store(&conf)
	for _, o := range []*options{{uris: []string{url}, user: "u", password: "wrong"}, {uris: []string{"http://u:secret@127.0.0.1:1/x.conf"}},
		{uris: []string{"http://u:wrong/secret@127.0.0.1:1/x.conf"}}} {
		all, leave, err := o.remotes(t.Context())
		leave()
		if err == nil || strings.Contains(err.Error(), "wrong") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want an error without a secret", err)
		}
		for _, r := range all {
			r.close()
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// calmNode is a ZooKeeper node that changes when the test says so.
type calmNode struct {
	mu      sync.Mutex
	text    string
	watches []chan zk.Event
}

func (n *calmNode) Get(string) ([]byte, *zk.Stat, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return []byte(n.text), nil, nil
}

func (n *calmNode) GetW(string) ([]byte, *zk.Stat, <-chan zk.Event, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watches = append(n.watches, make(chan zk.Event, 1))
	return []byte(n.text), nil, n.watches[len(n.watches)-1], nil
}

func (n *calmNode) Close() {}

// set changes the node and tells the last watch, and returns how many there were.
func (n *calmNode) set(text string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = text
	n.watches[len(n.watches)-1] <- zk.Event{}
	return len(n.watches)
}

func TestNodeIsWatchedOnceUntilItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &calmNode{text: "one"}
		z := &zkNode{servers: []string{"h:1"}, node: "/a1", file: filepath.Join(t.TempDir(), "flume.conf"), conn: node}
		if _, err := z.fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			z.follow(ctx, time.Second, slog.New(slog.DiscardHandler))
		}()
		for watches, text := range []string{"two", "three"} {
			time.Sleep(time.Minute) // looks
			if n := node.set(text); n != watches+1 {
				t.Errorf("%d watches before %s, want %d", n, text, watches+1)
			}
			time.Sleep(time.Millisecond)
			if got, err := os.ReadFile(z.file); err != nil || string(got) != text {
				t.Errorf("the copy is %q, %v, want %q", got, err, text)
			}
		}
		cancel()
		<-ended
	})
}

func TestZooKeeperThatIsNotThereIsAnError(t *testing.T) {
	z, err := newZKNode("127.0.0.1:1,127.0.0.1:2/tenant", "/flume", "a1", t.TempDir()+"/copy")
	if err != nil || z.node != "/tenant/flume/a1" || len(z.servers) != 2 {
		t.Fatalf("%+v, %v", z, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := z.fetch(ctx); err == nil || !strings.Contains(err.Error(), "ZooKeeper at 127.0.0.1:1,127.0.0.1:2") {
		t.Errorf("%v, want an error that names the servers", err)
	}
	z.close()
	for _, wrong := range []string{"", "h:1,,h:2", "/flume"} {
		if _, err := newZKNode(wrong, "/flume", "a1", ""); err == nil {
			t.Errorf("%q: no error", wrong)
		}
	}
}
