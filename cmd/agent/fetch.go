package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"goflume/conf"
	"goflume/internal/retry"
)

// Bounds of a look at a configuration on a web server, and how often it is looked at where nothing is said, as in Flume.
const (
	fetchLimit = 30 * time.Second
	fetchMost  = 1 << 20
	remotePoll = 300 * time.Second
)

// remote is a configuration on a web server. A copy of it lies in a file of this machine, which is what is read and watched.
type remote struct {
	url, user, password string
	path                string // of the copy
	client              *http.Client

	mu             sync.Mutex // one look at a time
	etag, modified string     // of the copy
}

// onWeb tells whether the URI is on a web server.
func onWeb(uri string) bool {
	return strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://")
}

// origin is where a configuration is that is no file of this machine. A copy of it lies in one, which is read and watched.
type origin interface {
	// fetch renews the copy if there is another text. An error leaves the copy as it is.
	fetch(ctx context.Context) (changed bool, err error)
	// follow renews the copy until ctx ends; what watches the file does the rest.
	follow(ctx context.Context, every time.Duration, log *slog.Logger)
	close()
}

// remotes makes a folder for the copies of configurations on web servers or in ZooKeeper, and fetches them; what cannot be
// fetched is an error and may be followed all the same. leave removes the folder.
func (o *options) remotes(ctx context.Context) (all []origin, leave func(), err error) {
	leave = func() {}
	if o.zookeeper == "" && !slices.ContainsFunc(o.uris, onWeb) {
		return nil, leave, nil
	}
	if o.remoteDir, err = os.MkdirTemp("", "goflume-conf-"); err != nil {
		return nil, leave, err
	}
	leave = func() {
		for _, r := range all {
			r.close()
		}
		os.RemoveAll(o.remoteDir)
	}
	if o.zookeeper != "" { // as in Flume it wins over the rest
		z, err := newZKNode(o.zookeeper, o.zkBase, o.name, o.zkCopy())
		if err != nil {
			return nil, leave, fmt.Errorf("--zkConnString: %w", err)
		}
		all = []origin{z}
	} else if all, err = o.listRemotes(); err != nil {
		return nil, leave, err
	}
	for _, r := range all {
		_, one := r.fetch(ctx)
		err = errors.Join(err, one)
	}
	return all, leave, err
}

// zkCopy is where the copy of the configuration in ZooKeeper lies.
func (o *options) zkCopy() string { return filepath.Join(o.remoteDir, "zookeeper", "flume.conf") }

// copyOf is where the copy of the i-th --conf-uri lies.
func (o *options) copyOf(i int) string {
	name := "flume.conf"
	if u, err := url.Parse(o.uris[i]); err == nil && len(filepath.Base(u.Path)) > 1 {
		name = filepath.Base(u.Path)
	}
	return filepath.Join(o.remoteDir, fmt.Sprint(i), name)
}

func (o *options) listRemotes() ([]origin, error) {
	password := o.password
	if o.passFile != "" {
		text, err := os.ReadFile(o.passFile)
		if err != nil {
			return nil, fmt.Errorf("--conf-password-file: %w", err)
		}
		password = strings.TrimSpace(string(text))
	}
	var all []origin
	for i, uri := range o.uris {
		if onWeb(uri) {
			all = append(all, &remote{url: uri, user: o.user, password: password, path: o.copyOf(i), client: &http.Client{Timeout: fetchLimit}})
		}
	}
	return all, nil
}

// fetch renews the copy if the server has another one. An error leaves the copy as it is.
func (r *remote) fetch(ctx context.Context) (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil { // it may quote a part of a password
		return false, fmt.Errorf("--conf-uri %s is no URL; write what has a meaning there, such as / and @ in a password, as %%2F and %%40", conf.MaskURLs(r.url))
	}
	req.Header.Set("User-Agent", "goflume/"+version)
	if r.user != "" {
		req.SetBasicAuth(r.user, r.password)
	}
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
	}
	if r.modified != "" {
		req.Header.Set("If-Modified-Since", r.modified)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return false, r.plain(err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusNotModified:
		return false, nil
	case http.StatusOK:
	default:
		return false, fmt.Errorf("%s answers %s", r.shown(), res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, fetchMost+1))
	if err != nil {
		return false, fmt.Errorf("%s: %w", r.shown(), err)
	}
	if len(text) > fetchMost {
		return false, fmt.Errorf("%s is larger than %d bytes", r.shown(), fetchMost)
	}
	if err := writeCopy(r.path, text); err != nil {
		return false, err
	}
	r.etag, r.modified = res.Header.Get("ETag"), res.Header.Get("Last-Modified")
	return true, nil
}

// writeCopy puts the text in the place of the file, for this user alone.
func writeCopy(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file+".next", text, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".next", file)
}

func (r *remote) close() { r.client.CloseIdleConnections() }

// shown is the address without a user's name and password.
func (r *remote) shown() string {
	u, err := url.Parse(r.url)
	if err != nil {
		return "the configuration"
	}
	u.User = nil
	return u.String()
}

func (r *remote) plain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("%s: %w", r.shown(), err)
}

// follow renews the copy every so often until ctx ends; what watches the file does the rest.
func (r *remote) follow(ctx context.Context, every time.Duration, log *slog.Logger) {
	for said := false; retry.Sleep(ctx, every) == nil; {
		_, err := r.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !said:
			log.Warn("The configuration cannot be fetched, the last one is kept", "err", err)
		}
		said = err != nil
	}
}
