package twitter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is asked of X, beside the stream itself.
const (
	callLimit = 30 * time.Second
	maxAnswer = 4 << 20
)

// api speaks X API v2. It is used by one goroutine.
type api struct {
	s      Settings
	client *http.Client
	token  string
}

func newAPI(s Settings) *api {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: callLimit,
		DisableCompression:    true, // a packed stream would hold keep-alives back
	}
	if s.ProxyHost != "" {
		host := s.ProxyHost
		if s.ProxyPort != 0 {
			host = net.JoinHostPort(host, strconv.Itoa(s.ProxyPort))
		}
		t.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: host})
	}
	// A redirect would take the token along to another place.
	return &api{s: s, client: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (a *api) close() { a.client.CloseIdleConnections() }

// refused is an answer of X that is no success.
type refused struct {
	what   string
	status int
	reason string
	reset  time.Time
}

func (r *refused) Error() string {
	s := fmt.Sprintf("%s: X answered %d %s", r.what, r.status, http.StatusText(r.status))
	if r.reason != "" {
		s += ": " + r.reason
	}
	switch r.status {
	case http.StatusUnauthorized:
		s += "; check consumerKey and consumerSecret, or bearerToken: they must be those of an app in a project of X's developer portal"
	case http.StatusForbidden:
		s += "; the app's access level does not allow this: the filtered stream needs a paid level of the API, the sampled stream Enterprise access"
	}
	return s
}

// authorize sees to it that there is a bearer token.
func (a *api) authorize(ctx context.Context) error {
	if a.s.BearerToken != "" {
		a.token = a.s.BearerToken.Reveal()
	}
	if a.token != "" {
		return nil
	}
	req, err := http.NewRequest("POST", a.url("/oauth2/token"), strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return err
	}
	req.SetBasicAuth(url.QueryEscape(a.s.ConsumerKey), url.QueryEscape(a.s.ConsumerSecret.Reveal()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	var answer struct {
		Type  string `json:"token_type"`
		Token string `json:"access_token"`
	}
	if err := a.call(ctx, "exchange the consumer key for a token", req, &answer); err != nil {
		return err
	}
	if answer.Token == "" || !strings.EqualFold(answer.Type, "bearer") {
		return errors.New("exchange the consumer key for a token: X's answer has no bearer token")
	}
	a.token = answer.Token
	return nil
}

func (a *api) url(path string) string { return strings.TrimSuffix(a.s.APIURL, "/") + path }

// do sends one request and checks the status; the caller closes the body.
func (a *api) do(ctx context.Context, what string, req *http.Request) (*http.Response, error) {
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	req.Header.Set("User-Agent", "goflume")
	res, err := a.client.Do(req.WithContext(ctx))
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the URL says nothing that what does not
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	r := &refused{what: what, status: res.StatusCode, reset: reset(res.Header)}
	if res.StatusCode == http.StatusUnauthorized {
		a.token = "" // it may have been revoked: a new one at the next try
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	r.reason = reason(body)
	return nil, r
}

// reason finds what X says in the body of a refusal.
func reason(body []byte) string {
	var answer struct {
		problem
		Errors []problem `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	if s := answer.problem.String(); s != "" {
		return s
	}
	if len(answer.Errors) > 0 {
		return strings.TrimPrefix(answer.Errors[0].String(), ": ")
	}
	return ""
}

// call sends a request and reads its JSON answer, within callLimit.
func (a *api) call(ctx context.Context, what string, req *http.Request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	res, err := a.do(ctx, what, req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s: read X's answer: %w", what, err)
	}
	return nil
}

// The parts of a post to send along: all that Flume's schema and the old shape have.
var expansions = url.Values{
	"expansions":   {"author_id,in_reply_to_user_id,referenced_tweets.id,referenced_tweets.id.author_id,attachments.media_keys,geo.place_id"},
	"tweet.fields": {"attachments,author_id,created_at,entities,geo,in_reply_to_user_id,lang,possibly_sensitive,public_metrics,referenced_tweets"},
	"user.fields":  {"created_at,description,location,name,profile_image_url,protected,public_metrics,url,username,verified"},
	"media.fields": {"media_key,preview_image_url,type,url"},
	"place.fields": {"country,country_code,full_name,geo,id,name,place_type"},
}

// connect opens the stream. What is read from the answer has no end; ctx ends it.
func (a *api) connect(ctx context.Context, filtered bool) (io.ReadCloser, error) {
	path, what := "/2/tweets/sample/stream", "open the sampled stream"
	if filtered {
		path, what = "/2/tweets/search/stream", "open the filtered stream"
	}
	query := url.Values{}
	for k, v := range expansions {
		query[k] = v
	}
	if a.s.BackfillMinutes > 0 {
		query.Set("backfill_minutes", strconv.Itoa(a.s.BackfillMinutes))
	}
	req, err := http.NewRequest("GET", a.url(path)+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := a.do(ctx, what, req)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// post sends a JSON body.
func (a *api) post(ctx context.Context, what, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest("POST", a.url(path), bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return a.call(ctx, what, req, answer)
}
