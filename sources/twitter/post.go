package twitter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// post is one line of X's v2 streams, with what the expansions bring along.
type post struct {
	Data     *tweet `json:"data"`
	Includes struct {
		Users  []user  `json:"users"`
		Tweets []tweet `json:"tweets"`
		Media  []media `json:"media"`
		Places []place `json:"places"`
	} `json:"includes"`
	Errors []problem `json:"errors"`
}

type tweet struct {
	ID              string    `json:"id"`
	Text            string    `json:"text"`
	AuthorID        string    `json:"author_id"`
	CreatedAt       time.Time `json:"created_at"`
	Lang            string    `json:"lang"`
	InReplyToUserID string    `json:"in_reply_to_user_id"`
	Sensitive       *bool     `json:"possibly_sensitive"`
	Referenced      []struct {
		Type string `json:"type"` // retweeted, quoted, replied_to
		ID   string `json:"id"`
	} `json:"referenced_tweets"`
	Metrics *struct {
		Retweets int64 `json:"retweet_count"`
		Replies  int64 `json:"reply_count"`
		Likes    int64 `json:"like_count"`
		Quotes   int64 `json:"quote_count"`
	} `json:"public_metrics"`
	Entities struct {
		Hashtags []struct {
			span
			Tag string `json:"tag"`
		} `json:"hashtags"`
		URLs []struct {
			span
			URL      string `json:"url"`
			Expanded string `json:"expanded_url"`
			Display  string `json:"display_url"`
			MediaKey string `json:"media_key"`
		} `json:"urls"`
		Mentions []struct {
			span
			Username string `json:"username"`
			ID       string `json:"id"`
		} `json:"mentions"`
	} `json:"entities"`
	Attachments struct {
		MediaKeys []string `json:"media_keys"`
	} `json:"attachments"`
	Geo *struct {
		PlaceID     string `json:"place_id"`
		Coordinates *struct {
			Type        string    `json:"type"`
			Coordinates []float64 `json:"coordinates"`
		} `json:"coordinates"`
	} `json:"geo"`
}

// span is a part of the text, in characters.
type span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

type user struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Username    string     `json:"username"`
	Location    *string    `json:"location"`
	Description *string    `json:"description"`
	URL         *string    `json:"url"`
	Verified    *bool      `json:"verified"`
	Protected   *bool      `json:"protected"`
	CreatedAt   *time.Time `json:"created_at"`
	Image       *string    `json:"profile_image_url"`
	Metrics     *struct {
		Followers int64 `json:"followers_count"`
		Following int64 `json:"following_count"`
		Tweets    int64 `json:"tweet_count"`
		Listed    int64 `json:"listed_count"`
	} `json:"public_metrics"`
}

type media struct {
	Key     string `json:"media_key"`
	Type    string `json:"type"`
	URL     string `json:"url"`
	Preview string `json:"preview_image_url"`
}

type place struct {
	ID          string          `json:"id"`
	FullName    string          `json:"full_name"`
	Name        string          `json:"name"`
	Country     string          `json:"country"`
	CountryCode string          `json:"country_code"`
	Type        string          `json:"place_type"`
	Geo         json.RawMessage `json:"geo"`
}

// problem is an error as X tells it: in a stream, in a refusal, or of a rule.
type problem struct {
	Title              string `json:"title"`
	Detail             string `json:"detail"`
	Type               string `json:"type"`
	Reason             string `json:"reason"`
	RequiredEnrollment string `json:"required_enrollment"`
	DisconnectType     string `json:"disconnect_type"`
	Value              string `json:"value"`
	Message            string `json:"message"`
}

func (p problem) String() string {
	s := p.Title
	for _, part := range []string{p.Detail, p.Message, p.Reason, p.Value} {
		if part != "" && part != s {
			s += ": " + part
		}
	}
	if p.RequiredEnrollment != "" {
		s += " (needs " + p.RequiredEnrollment + ")"
	}
	return s
}

// disconnected is what X says in the stream before it closes it.
type disconnected struct{ problem }

func (d disconnected) Error() string { return "X ended the stream: " + d.problem.String() }

var errNoPost = errors.New("neither a post nor an error")

// parse reads one line. A line of errors alone is disconnected.
func parse(line []byte) (*post, error) {
	var p post
	if err := json.Unmarshal(line, &p); err != nil {
		return nil, fmt.Errorf("read a line of %d bytes: %w", len(line), err)
	}
	if p.Data == nil || p.Data.ID == "" {
		if len(p.Errors) > 0 {
			return nil, disconnected{p.Errors[0]}
		}
		return nil, errNoPost
	}
	return &p, nil
}

// millis is the time of the post in milliseconds since 1970, empty for none.
func (p *post) millis() string {
	if p.Data.CreatedAt.IsZero() {
		return ""
	}
	return strconv.FormatInt(p.Data.CreatedAt.UnixMilli(), 10)
}

// user returns the user of that number; a zero one if X did not send it along.
func (p *post) user(id string) user {
	for i := range p.Includes.Users {
		if p.Includes.Users[i].ID == id {
			return p.Includes.Users[i]
		}
	}
	return user{}
}

// reference returns the number of the post that t refers to in that way, empty for none, and the post itself if it came along.
func (p *post) reference(t *tweet, how string) (id string, other *tweet) {
	for _, r := range t.Referenced {
		if r.Type != how {
			continue
		}
		for i := range p.Includes.Tweets {
			if p.Includes.Tweets[i].ID == r.ID {
				return r.ID, &p.Includes.Tweets[i]
			}
		}
		return r.ID, nil
	}
	return "", nil
}

// firstMedia returns the address of the first picture of t and of the page that shows it, empty for none.
func (p *post) firstMedia(t *tweet) (image, page string) {
	if len(t.Attachments.MediaKeys) == 0 {
		return "", ""
	}
	key := t.Attachments.MediaKeys[0]
	for _, m := range p.Includes.Media {
		if m.Key == key {
			if image = m.URL; image == "" {
				image = m.Preview
			}
		}
	}
	for _, u := range t.Entities.URLs {
		if u.MediaKey == key {
			page = u.Expanded
		}
	}
	return image, page
}
