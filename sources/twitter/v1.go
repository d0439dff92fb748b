package twitter

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// The old API's shape of a post, as tables were made for. What v2 does not give is null, numbers too, so that a table's
// columns stay.
type v1Tweet struct {
	CreatedAt            *string         `json:"created_at"`
	ID                   json.Number     `json:"id"`
	IDStr                string          `json:"id_str"`
	Text                 string          `json:"text"`
	FullText             string          `json:"full_text"`
	Lang                 *string         `json:"lang"`
	Source               *string         `json:"source"`
	Truncated            bool            `json:"truncated"`
	InReplyToStatusID    *json.Number    `json:"in_reply_to_status_id"`
	InReplyToStatusIDStr *string         `json:"in_reply_to_status_id_str"`
	InReplyToUserID      *json.Number    `json:"in_reply_to_user_id"`
	InReplyToUserIDStr   *string         `json:"in_reply_to_user_id_str"`
	InReplyToScreenName  *string         `json:"in_reply_to_screen_name"`
	RetweetCount         *int64          `json:"retweet_count"`
	FavoriteCount        *int64          `json:"favorite_count"`
	ReplyCount           *int64          `json:"reply_count"`
	QuoteCount           *int64          `json:"quote_count"`
	Retweeted            *bool           `json:"retweeted"`
	Favorited            *bool           `json:"favorited"`
	PossiblySensitive    *bool           `json:"possibly_sensitive"`
	User                 *v1User         `json:"user"`
	Entities             v1Entities      `json:"entities"`
	RetweetedStatus      *v1Tweet        `json:"retweeted_status"`
	QuotedStatus         *v1Tweet        `json:"quoted_status"`
	Coordinates          any             `json:"coordinates"`
	Geo                  any             `json:"geo"`
	Place                *v1Place        `json:"place"`
	Contributors         json.RawMessage `json:"contributors"`
}

type v1User struct {
	ID             json.Number `json:"id"`
	IDStr          string      `json:"id_str"`
	Name           string      `json:"name"`
	ScreenName     string      `json:"screen_name"`
	Location       *string     `json:"location"`
	Description    *string     `json:"description"`
	URL            *string     `json:"url"`
	Protected      *bool       `json:"protected"`
	FollowersCount *int64      `json:"followers_count"`
	FriendsCount   *int64      `json:"friends_count"`
	ListedCount    *int64      `json:"listed_count"`
	StatusesCount  *int64      `json:"statuses_count"`
	FavoritesCount *int64      `json:"favourites_count"`
	CreatedAt      *string     `json:"created_at"`
	Verified       *bool       `json:"verified"`
	Lang           *string     `json:"lang"`
	TimeZone       *string     `json:"time_zone"`
	UTCOffset      *int64      `json:"utc_offset"`
	GeoEnabled     *bool       `json:"geo_enabled"`
	Image          *string     `json:"profile_image_url"`
}

type v1Entities struct {
	Hashtags []v1Hashtag `json:"hashtags"`
	URLs     []v1URL     `json:"urls"`
	Mentions []v1Mention `json:"user_mentions"`
}

type v1Hashtag struct {
	Text    string `json:"text"`
	Indices [2]int `json:"indices"`
}

type v1URL struct {
	URL      string `json:"url"`
	Expanded string `json:"expanded_url"`
	Display  string `json:"display_url"`
	Indices  [2]int `json:"indices"`
}

type v1Mention struct {
	ScreenName string      `json:"screen_name"`
	Name       *string     `json:"name"`
	ID         json.Number `json:"id"`
	IDStr      string      `json:"id_str"`
	Indices    [2]int      `json:"indices"`
}

type v1Place struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	FullName    string `json:"full_name"`
	Country     string `json:"country"`
	CountryCode string `json:"country_code"`
	PlaceType   string `json:"place_type"`
}

// rubyDate is how the old API wrote times.
const rubyDate = "Mon Jan 02 15:04:05 -0700 2006"

// v1 returns the post in the old shape.
func (p *post) v1() ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	err := enc.Encode(p.v1Tweet(p.Data, true))
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// v1Tweet translates t; the posts that it refers to come along one step deep.
func (p *post) v1Tweet(t *tweet, deep bool) *v1Tweet {
	v := &v1Tweet{
		ID: number(t.ID), IDStr: t.ID, Text: t.Text, FullText: t.Text, Lang: some(t.Lang), PossiblySensitive: t.Sensitive,
		InReplyToUserID: someNumber(t.InReplyToUserID), InReplyToUserIDStr: some(t.InReplyToUserID),
		InReplyToScreenName: some(p.user(t.InReplyToUserID).Username), User: p.v1User(t), Entities: p.v1Entities(t),
	}
	if !t.CreatedAt.IsZero() {
		v.CreatedAt = some(t.CreatedAt.UTC().Format(rubyDate))
	}
	id, _ := p.reference(t, "replied_to")
	v.InReplyToStatusID, v.InReplyToStatusIDStr = someNumber(id), some(id)
	if m := t.Metrics; m != nil {
		v.RetweetCount, v.FavoriteCount, v.ReplyCount, v.QuoteCount = &m.Retweets, &m.Likes, &m.Replies, &m.Quotes
	}
	if deep {
		if _, other := p.reference(t, "retweeted"); other != nil {
			v.RetweetedStatus = p.v1Tweet(other, false)
		}
		if _, other := p.reference(t, "quoted"); other != nil {
			v.QuotedStatus = p.v1Tweet(other, false)
		}
	}
	p.v1Geo(t, v)
	return v
}

func (p *post) v1User(t *tweet) *v1User {
	if t.AuthorID == "" {
		return nil
	}
	u := p.user(t.AuthorID)
	v := &v1User{ID: number(t.AuthorID), IDStr: t.AuthorID, Name: u.Name, ScreenName: u.Username, Location: u.Location,
		Description: u.Description, URL: u.URL, Protected: u.Protected, Verified: u.Verified, Image: u.Image}
	if u.CreatedAt != nil {
		v.CreatedAt = some(u.CreatedAt.UTC().Format(rubyDate))
	}
	if m := u.Metrics; m != nil {
		v.FollowersCount, v.FriendsCount, v.StatusesCount, v.ListedCount = &m.Followers, &m.Following, &m.Tweets, &m.Listed
	}
	return v
}

func (p *post) v1Entities(t *tweet) v1Entities {
	e := v1Entities{Hashtags: []v1Hashtag{}, URLs: []v1URL{}, Mentions: []v1Mention{}}
	for _, h := range t.Entities.Hashtags {
		e.Hashtags = append(e.Hashtags, v1Hashtag{h.Tag, [2]int{h.Start, h.End}})
	}
	for _, u := range t.Entities.URLs {
		e.URLs = append(e.URLs, v1URL{u.URL, u.Expanded, u.Display, [2]int{u.Start, u.End}})
	}
	for _, m := range t.Entities.Mentions {
		e.Mentions = append(e.Mentions, v1Mention{m.Username, some(p.user(m.ID).Name), number(m.ID), m.ID, [2]int{m.Start, m.End}})
	}
	return e
}

// v1Geo fills in the place and the point; the old `geo` has latitude first, `coordinates` longitude.
func (p *post) v1Geo(t *tweet, v *v1Tweet) {
	if t.Geo == nil {
		return
	}
	if c := t.Geo.Coordinates; c != nil && len(c.Coordinates) == 2 {
		v.Coordinates = map[string]any{"type": "Point", "coordinates": c.Coordinates}
		v.Geo = map[string]any{"type": "Point", "coordinates": []float64{c.Coordinates[1], c.Coordinates[0]}}
	}
	for _, place := range p.Includes.Places {
		if place.ID == t.Geo.PlaceID {
			v.Place = &v1Place{place.ID, place.Name, place.FullName, place.Country, place.CountryCode, place.Type}
		}
	}
}

func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// number is an identifier as a JSON number; X's numbers are decimal, and what is none becomes 0.
func number(id string) json.Number {
	if _, err := strconv.ParseUint(id, 10, 64); err != nil {
		return "0"
	}
	return json.Number(id)
}

func someNumber(id string) *json.Number {
	if id == "" {
		return nil
	}
	n := number(id)
	return &n
}
