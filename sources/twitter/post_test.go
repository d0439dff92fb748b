package twitter

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func recorded(t *testing.T) []*post {
	t.Helper()
	text, err := os.ReadFile("testdata/stream.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var posts []*post
	for line := range bytes.Lines(text) {
		p, err := parse(line)
		if err != nil {
			t.Fatal(err)
		}
		posts = append(posts, p)
	}
	return posts
}

func TestOldShape(t *testing.T) {
	var got bytes.Buffer
	for _, p := range recorded(t) {
		line, err := p.v1()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Indent(&got, line, "", " "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
	}
	if *update {
		if err := os.WriteFile("testdata/v1.golden", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/v1.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
}

// The columns of the Hive table that the usual tutorial makes for Cloudera's source.
func TestTheTutorialsTableMapsOntoTheOldShape(t *testing.T) {
	line, err := recorded(t)[0].v1()
	if err != nil {
		t.Fatal(err)
	}
	var row struct {
		ID              int64  `json:"id"`
		CreatedAt       string `json:"created_at"`
		Source          *string
		Favorited       *bool
		RetweetCount    int `json:"retweet_count"`
		RetweetedStatus *struct{ Text string }
		Entities        struct {
			URLs []struct {
				ExpandedURL string `json:"expanded_url"`
			}
			UserMentions []struct {
				ScreenName string `json:"screen_name"`
				Name       *string
			} `json:"user_mentions"`
			Hashtags []struct{ Text string }
		}
		Text string
		User struct {
			ScreenName     string `json:"screen_name"`
			Name           string
			FriendsCount   int `json:"friends_count"`
			FollowersCount int `json:"followers_count"`
			StatusesCount  int `json:"statuses_count"`
			Verified       bool
			UTCOffset      *int    `json:"utc_offset"`
			TimeZone       *string `json:"time_zone"`
		}
		InReplyToScreenName string `json:"in_reply_to_screen_name"`
	}
	if err := json.Unmarshal(line, &row); err != nil {
		t.Fatal(err)
	}
	if row.ID != 1985000000000000001 || row.CreatedAt != "Fri Nov 20 10:00:05 +0000 2026" || row.RetweetCount != 3 ||
		row.Entities.Hashtags[0].Text != "hadoop" || row.Entities.UserMentions[0].ScreenName != "flume_user" ||
		row.User.FollowersCount != 1000 || row.User.FriendsCount != 50 || row.User.StatusesCount != 12345 || !row.User.Verified ||
		row.InReplyToScreenName != "flume_user" || row.Source != nil {
		t.Errorf("%+v", row)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(line, &keys); err != nil {
		t.Fatal(err)
	}
	for _, column := range []string{"source", "favorited", "retweeted_status", "quoted_status", "truncated", "in_reply_to_status_id", "geo", "place"} {
		if _, ok := keys[column]; !ok {
			t.Errorf("the column %s is missing, want null at least", column)
		}
	}
}

func TestAnotherReaderReadsTheContainer(t *testing.T) {
	d := &docs{}
	for _, p := range recorded(t) {
		if err := d.add(p); err != nil {
			t.Fatal(err)
		}
	}
	file, err := d.file()
	if err != nil {
		t.Fatal(err)
	}
	r, err := goavro.NewOCFReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.MetaData()["avro.schema"]); got != docSchema {
		t.Errorf("schema %s", got)
	}
	var got []map[string]any
	for r.Scan() {
		v, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		flat := map[string]any{}
		for k, x := range v.(map[string]any) {
			if union, ok := x.(map[string]any); ok {
				for _, only := range union {
					x = only
				}
			}
			flat[k] = x
		}
		got = append(got, flat)
	}
	if r.Err() != nil || len(got) != 3 {
		t.Fatalf("%d posts, %v", len(got), r.Err())
	}
	want := map[string]any{
		"id": "1985000000000000001", "user_friends_count": int32(50), "user_location": "Praha", "user_description": `writes "code"`,
		"user_statuses_count": int32(12345), "user_followers_count": int32(1000), "user_name": "Ada L.", "user_screen_name": "ada",
		"created_at": "2026-11-20T10:00:05Z", "text": "Reading the #hadoop docs again https://t.co/abc @flume_user",
		"retweet_count": int64(3), "retweeted": false, "in_reply_to_user_id": int64(77), "source": nil,
		"in_reply_to_status_id": int64(1984000000000000000), "media_url_https": "https://pbs.example/1.jpg", "expanded_url": "https://x.com/i/photo/1",
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
	if got[1]["retweeted"] != true || got[1]["in_reply_to_user_id"] != int64(-1) || got[2]["user_name"] != nil || got[2]["created_at"] != nil {
		t.Errorf("%v\n%v", got[1], got[2])
	}
	if empty, err := d.file(); empty != nil || err != nil {
		t.Errorf("a second file of %d bytes, %v, want none", len(empty), err)
	}
}

func TestRules(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		keywords, languages []string
		want                []string
	}{
		{[]string{"hadoop", "big data", " "}, nil, []string{"hadoop OR (big data)"}},
		{[]string{"hadoop"}, []string{"en"}, []string{"hadoop lang:en"}},
		{[]string{"a", "b"}, []string{"en", "de"}, []string{"(a OR b) (lang:en OR lang:de)"}},
		{[]string{"#big", "@x", "$IBM", "c++", `say "hi"`, "or", "lang:en", "-not"}, nil,
			[]string{`#big OR @x OR $IBM OR "c++" OR (say "\"hi\"") OR "or" OR "lang:en" OR "-not"`}},
		{[]string{long, long, long}, nil, []string{long + " OR " + long, long}},
		{nil, []string{"en"}, nil},
	} {
		got, err := ruleTexts(c.keywords, c.languages)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", c.keywords, err, diff)
		}
		for _, r := range got {
			if len([]rune(r)) > maxRule {
				t.Errorf("a rule of %d characters", len(r))
			}
		}
	}
	if _, err := ruleTexts([]string{strings.Repeat("y", 600)}, nil); err == nil {
		t.Error("a keyword longer than a rule is accepted")
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/stream.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		f.Add(line)
	}
	f.Add([]byte(`{"data":{"id":"x","author_id":"y","referenced_tweets":[{"type":"quoted"}],"geo":{"coordinates":{"coordinates":[1]}}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := parse(line)
		if err != nil {
			return
		}
		if _, err := p.v1(); err != nil {
			t.Error(err)
		}
		appendDoc(nil, p)
	})
}
