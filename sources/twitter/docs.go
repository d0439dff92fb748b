package twitter

import (
	"encoding/binary"
	"strconv"

	"goflume/internal/avro"
)

// docSchema is that of Flume's TwitterSource.
const docSchema = `{"type":"record","name":"Doc","doc":"adoc","fields":[{"name":"id","type":"string"},` +
	`{"name":"user_friends_count","type":["int","null"]},{"name":"user_location","type":["string","null"]},` +
	`{"name":"user_description","type":["string","null"]},{"name":"user_statuses_count","type":["int","null"]},` +
	`{"name":"user_followers_count","type":["int","null"]},{"name":"user_name","type":["string","null"]},` +
	`{"name":"user_screen_name","type":["string","null"]},{"name":"created_at","type":["string","null"]},` +
	`{"name":"text","type":["string","null"]},{"name":"retweet_count","type":["long","null"]},` +
	`{"name":"retweeted","type":["boolean","null"]},{"name":"in_reply_to_user_id","type":["long","null"]},` +
	`{"name":"source","type":["string","null"]},{"name":"in_reply_to_status_id","type":["long","null"]},` +
	`{"name":"media_url_https","type":["string","null"]},{"name":"expanded_url","type":["string","null"]}]}`

// docs collects posts in a container file of Flume's schema.
type docs struct {
	container *avro.Container
	out       []byte
	datum     []byte
}

// docBlock is more than a batch holds, so that a container has one block.
const docBlock = 1 << 30

// docTime is how Flume's source writes times; its Z stands for UTC here, as it should.
const docTime = "2006-01-02T15:04:05Z"

func (d *docs) add(p *post) (err error) {
	if d.container == nil {
		if d.container, err = avro.NewContainer(docSchema, "null", docBlock); err != nil {
			return err
		}
		d.out = d.container.AppendHeader(nil)
	}
	d.datum = appendDoc(d.datum[:0], p)
	d.out, err = d.container.AppendDatum(d.out, d.datum)
	return err
}

// file returns the container of what was added, nil for nothing, and starts anew.
func (d *docs) file() ([]byte, error) {
	if d.container == nil {
		return nil, nil
	}
	out, err := d.container.AppendBlock(d.out)
	d.container, d.out = nil, nil
	return out, err
}

// The union [T, null] of a field: its branch, then the value.
func docString(dst []byte, s *string) []byte {
	if s == nil {
		return binary.AppendVarint(dst, 1)
	}
	dst = binary.AppendVarint(dst, 0)
	dst = binary.AppendVarint(dst, int64(len(*s)))
	return append(dst, *s...)
}

func docLong(dst []byte, n *int64) []byte {
	if n == nil {
		return binary.AppendVarint(dst, 1)
	}
	return binary.AppendVarint(binary.AppendVarint(dst, 0), *n)
}

func docBool(dst []byte, b bool) []byte {
	dst = binary.AppendVarint(dst, 0)
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// docID is an identifier as a number, -1 for none, as in Flume.
func docID(id string) *int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		n = -1
	}
	return &n
}

// appendDoc appends the datum of one post. What v2 does not tell is null: the source; also the numbers of users where X does
// not send them along.
func appendDoc(dst []byte, p *post) []byte {
	t := p.Data
	u := p.user(t.AuthorID)
	var friends, statuses, followers, retweets *int64
	if m := u.Metrics; m != nil {
		friends, statuses, followers = clamp(m.Following), clamp(m.Tweets), clamp(m.Followers)
	}
	if t.Metrics != nil {
		retweets = &t.Metrics.Retweets
	}
	var created *string
	if !t.CreatedAt.IsZero() {
		created = some(t.CreatedAt.UTC().Format(docTime))
	}
	retweet, _ := p.reference(t, "retweeted")
	reply, _ := p.reference(t, "replied_to")
	image, page := p.firstMedia(t)

	dst = binary.AppendVarint(dst, int64(len(t.ID)))
	dst = append(dst, t.ID...)
	dst = docLong(dst, friends)
	dst = docString(dst, u.Location)
	dst = docString(dst, u.Description)
	dst = docLong(dst, statuses)
	dst = docLong(dst, followers)
	dst = docString(dst, some(u.Name))
	dst = docString(dst, some(u.Username))
	dst = docString(dst, created)
	dst = docString(dst, &t.Text)
	dst = docLong(dst, retweets)
	dst = docBool(dst, retweet != "")
	dst = docLong(dst, docID(t.InReplyToUserID))
	dst = docString(dst, nil)
	dst = docLong(dst, docID(reply))
	dst = docString(dst, some(image))
	return docString(dst, some(page))
}

// clamp fits a count into the schema's int.
func clamp(n int64) *int64 {
	n = min(n, 1<<31-1)
	return &n
}
