package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"goflume/agent/admin"
)

var healthVerb = verb{name: "health", usage: "--admin ADDR [--ready] [--verbose]", does: "ask a running agent how it is", options: true, run: health,
	more: `It asks the admin interface of an agent on this machine, which --admin or AGENT_ADMIN names as for run, and ends with
status 0 where all is well and 69 where it is not, or where nobody answers.
`}

const (
	// healthTime is how long an agent may take to answer.
	healthTime = 5 * time.Second
	// healthText is the most that is read of an answer.
	healthText = 1 << 20
)

// health asks an agent how it is.
func health(o *options, std streams) int {
	if o.admin == "" || len(o.args) > 0 {
		fmt.Fprintln(std.err, "agent health: say --admin ADDR or unix:PATH, as run was told")
		return exitUsage
	}
	if err := admin.CheckAddr(o.admin); err != nil {
		fmt.Fprintln(std.err, "agent health:", err)
		return exitUsage
	}
	page := "/healthz"
	if o.ready {
		page = "/readyz"
	}
	if o.verbose {
		page += "?verbose"
	}
	text, err := askAdmin(o.admin, page)
	io.WriteString(std.out, text)
	if err != nil {
		fmt.Fprintln(std.err, "agent health:", err)
		return exitUnavailable
	}
	return exitOK
}

// askAdmin returns the page of an admin interface. Any answer but 200 is an error, beside the text.
func askAdmin(addr, page string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), healthTime)
	defer cancel()
	network, target, host := "tcp", addr, addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, target, host = "unix", path, "localhost"
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, target)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+page, nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(req)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "", fmt.Errorf("the agent at %s does not answer within %v", addr, healthTime)
	case err != nil:
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // without the URL, which nobody wrote
		}
		return "", fmt.Errorf("no agent answers at %s: %w", addr, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, healthText))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", page, answer.Status)
	}
	return string(text), err
}
