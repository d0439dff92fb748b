// Package twitter is the source that reads posts on X, formerly Twitter, live or from a file. The API that Flume's and Cloudera's sources were written for
// is gone; this one reads X API v2: the filtered stream, with rules made of the keywords, or the sampled stream for those who
// have access to it. It can also replay posts recorded in a file.
//
// X keeps no position for a reader. What is posted while the source is away is lost, but for backfillMinutes; what was read
// is delivered, also at stop.
package twitter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
)

// Settings of the twitter source, which reads posts on X, formerly Twitter, live or from a file.
type Settings struct {
	// Key of the app in X's developer portal. With its secret it is exchanged for a bearer token.
	ConsumerKey string `conf:"consumerKey"`
	// Secret of the app's key.
	ConsumerSecret conf.Secret `conf:"consumerSecret"`
	// Bearer token of the app, in place of key and secret.
	BearerToken conf.Secret `conf:"bearerToken"`
	// Without effect: X's streams take no user's token.
	AccessToken conf.Secret `conf:"accessToken"`
	// Without effect, as accessToken.
	AccessTokenSecret conf.Secret `conf:"accessTokenSecret"`
	// What posts must hold: a comma means or, a blank inside of a keyword means and.
	Keywords []string `conf:"keywords" sep:","`
	// Languages of the posts, such as `en,de`, beside the keywords.
	Language []string `conf:"language" sep:","`
	// Which stream: filtered by the keywords, sample for a part of all posts, or auto: filtered where there are keywords.
	Stream string `conf:"stream" enum:"auto|filtered|sample"`
	// Base of the API, in front of /2/... and /oauth2/token. Plain http only to this machine.
	APIURL string `conf:"apiUrl"`
	// Proxy that X is reached by.
	ProxyHost string `conf:"proxyHost"`
	// Port of the proxy.
	ProxyPort int `conf:"proxyPort" min:"0" max:"65535"`
	// Minutes of posts to ask for again after a disconnection, where the access level allows it.
	BackfillMinutes int `conf:"backfillMinutes" min:"0" max:"5"`
	// What an event is: avro, a container file of a batch of posts in the schema of Flume's source; json, one post.
	Format string `conf:"format" enum:"avro|json"`
	// Shape of json: v1 has the field names of the old API, so that tables made for it keep working; v2 is what X sends.
	Compat string `conf:"compat" enum:"v1|v2"`
	// Most posts of a batch: in one container file (avro), or in one transaction (json).
	MaxBatchSize int `conf:"maxBatchSize" min:"1"`
	// Longest wait for a batch to fill.
	MaxBatchDuration time.Duration `conf:"maxBatchDurationMillis" unit:"ms" min:"1"`
	// File of recorded posts, one line of X's stream each, to read in place of X. No account is needed.
	Replay string `conf:"replay"`
	// Posts a second of the replay; 0 is as fast as the channel takes them.
	ReplayRate float64 `conf:"replayRate" min:"0"`
}

const defaultURL = "https://api.x.com"

// MaySetHeader implements conf.HeaderSetter: every post has the time at which it was written.
func (s Settings) MaySetHeader(name string) bool { return name == "timestamp" }

func init() {
	s := Settings{Stream: "auto", APIURL: defaultURL, Format: "avro", Compat: "v1", MaxBatchSize: 1000, MaxBatchDuration: time.Second}
	registry.Add(sources.Registry, "twitter", []string{"org.apache.flume.source.twitter.TwitterSource"}, s, New)
	s.Format = "json"
	registry.Add(sources.Registry, "twitter_json", []string{"com.cloudera.flume.source.TwitterSource", "*.TwitterSource"}, s, New)
}

// Validate checks what belongs together.
func (s Settings) Validate() error {
	var errs []error
	if s.Replay == "" && s.BearerToken == "" && (s.ConsumerKey == "" || s.ConsumerSecret == "") {
		errs = append(errs, conf.Errorf("consumerKey", "X wants consumerKey and consumerSecret, or bearerToken; `replay` reads recorded posts without an account"))
	}
	if s.Stream == "filtered" && len(s.Keywords) == 0 && s.Replay == "" {
		errs = append(errs, conf.Errorf("stream", "the filtered stream needs keywords"))
	}
	if _, err := ruleTexts(s.Keywords, s.Language); err != nil {
		errs = append(errs, conf.Errorf("keywords", "%v", err))
	}
	u, err := url.Parse(s.APIURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		errs = append(errs, conf.Errorf("apiUrl", "%q is no http or https URL", s.APIURL))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		errs = append(errs, conf.Errorf("apiUrl", "plain http to %s would show the token to the network; use https", u.Hostname()))
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Source reads posts.
type Source struct {
	s       Settings
	env     registry.Env
	count   metric.SourceCounters
	again   *metric.Counter // connections after the first
	bad     *metric.Counter
	waits   waits
	silence time.Duration
}

var _ sources.Source = (*Source)(nil)

// New returns a source that does nothing until Run.
func New(env registry.Env, s Settings) (sources.Source, error) {
	return &Source{
		s: s, env: env, count: metric.NewSource(env.Metrics), waits: documented, silence: silence,
		again: env.Metrics.Counter("", "flume_source_reconnects_total", "Connections to the stream after the first."),
		bad:   env.Metrics.Counter("", "flume_source_unreadable_total", "Lines of the stream that were no post."),
	}, nil
}

// Run implements sources.Source.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	b := s.newBatch(out)
	if s.s.Replay != "" {
		return s.replay(ctx, b)
	}
	if s.s.AccessToken != "" {
		s.env.Log.Info("The access token is not used: X's streams take the app's own token", "source", s.env.Name)
	}
	return s.follow(ctx, b)
}

// batch collects posts up to a number and for a time, and delivers them.
type batch struct {
	*Source
	out    sources.Output
	events event.Batch
	docs   *docs // nil for json
	posts  int
	due    time.Time // of what is collected
	said   time.Time // that a line was left out
}

func (s *Source) newBatch(out sources.Output) *batch {
	b := &batch{Source: s, out: out}
	if s.s.Format == "avro" {
		b.docs = &docs{}
	}
	return b
}

// add takes one line of the stream. What is no post is counted and left out.
func (b *batch) add(ctx context.Context, line []byte) error {
	p, err := parse(line)
	if errors.As(err, new(disconnected)) {
		return err
	}
	if err != nil {
		b.bad.Add(1)
		b.count.ReadFail.Add(1)
		if now := time.Now(); now.Sub(b.said) >= time.Minute {
			b.said = now
			b.env.Log.Warn("A line of the stream was no post and is left out", "source", b.env.Name, "lines", b.bad.Value(), "err", err)
		}
		return nil
	}
	if b.posts == 0 {
		b.due = time.Now().Add(b.s.MaxBatchDuration)
	}
	b.posts++
	switch {
	case b.docs != nil:
		if err := b.docs.add(p); err != nil {
			return err
		}
	case b.s.Compat == "v2":
		b.stamp(b.events.Add(line), p)
	default:
		body, err := p.v1()
		if err != nil {
			return err
		}
		b.stamp(b.events.Adopt(body), p)
	}
	if b.posts >= b.most() {
		return b.deliver(ctx)
	}
	return nil
}

// most is the number of posts that end the batch; an Avro container is one event, however many it holds.
func (b *batch) most() int {
	if limit, _ := b.out.Limits(); limit > 0 && b.docs == nil {
		return min(limit, b.s.MaxBatchSize)
	}
	return b.s.MaxBatchSize
}

// stamp sets the header that time escapes of sinks use.
func (b *batch) stamp(e *event.Event, p *post) {
	if ms := p.millis(); ms != "" {
		b.events.SetHeader(e, "timestamp", ms)
	}
}

// deliver sends what is collected until the channels hold it, or ctx ends.
func (b *batch) deliver(ctx context.Context) error {
	if err := b.seal(); err != nil || len(b.events.Events) == 0 {
		return err
	}
	if err := sources.Deliver(ctx, b.out, &b.events, b.env.Report); err != nil {
		return err
	}
	b.events.Reset()
	return nil
}

// seal makes the container of the posts so far the one event of the batch.
func (b *batch) seal() error {
	b.posts = 0
	if b.docs == nil {
		return nil
	}
	body, err := b.docs.file()
	if body != nil {
		b.events.Adopt(body)
	}
	return err
}

// last delivers what is left at stop, in one try. What the channels do not take then is lost, as X sends nothing twice.
func (b *batch) last(ctx context.Context) {
	if err := b.seal(); err != nil || len(b.events.Events) == 0 {
		return
	}
	if err := b.out.Send(context.WithoutCancel(ctx), &b.events); err != nil {
		b.env.Log.Error("Posts were lost at stop: the channel did not take them", "source", b.env.Name, "events", len(b.events.Events), "err", err)
	}
}

// describe names the stream for messages.
func (s *Source) describe() string {
	if s.filtered() {
		return fmt.Sprintf("filtered stream (%s)", strings.Join(s.s.Keywords, ", "))
	}
	return "sampled stream"
}

func (s *Source) filtered() bool {
	return s.s.Stream == "filtered" || s.s.Stream == "auto" && len(s.s.Keywords) > 0
}
