package service

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Messages writes the field @message of every document of an index, or of several by a pattern, each with a newline.
func (s *SearchServer) Messages(ctx context.Context, index string, w io.Writer) error {
	type page struct {
		Scroll string `json:"_scroll_id"`
		Hits   struct {
			Hits []struct {
				Source struct {
					Message string `json:"@message"`
				} `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	ask := func(path, body string) (p page, err error) {
		text, err := s.Do(ctx, http.MethodPost, path, "application/json", strings.NewReader(body))
		if err == nil {
			err = json.Unmarshal(text, &p)
		}
		return p, err
	}
	if _, err := s.Do(ctx, http.MethodPost, "/"+index+"/_refresh", "", nil); err != nil {
		return err
	}
	p, err := ask("/"+index+"/_search?scroll=1m", `{"size":10000,"sort":["_doc"],"_source":["@message"]}`)
	for err == nil && len(p.Hits.Hits) > 0 {
		for _, h := range p.Hits.Hits {
			if _, err := io.WriteString(w, h.Source.Message+"\n"); err != nil {
				return err
			}
		}
		p, err = ask("/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, p.Scroll))
	}
	return err
}
