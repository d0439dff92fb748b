package twitter

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRule is the longest rule of the lowest access level, in characters.
const maxRule = 512

// ruleTexts makes rules of keywords, which are joined by OR, a blank inside of one being AND, as `track` was; each rule is
// narrowed to the languages. There are as many as the length needs.
func ruleTexts(keywords, languages []string) ([]string, error) {
	var langs []string
	for _, l := range languages {
		if l = strings.TrimSpace(l); l != "" {
			langs = append(langs, "lang:"+word(l))
		}
	}
	suffix := ""
	switch {
	case len(langs) == 1:
		suffix = " " + langs[0]
	case len(langs) > 1:
		suffix = " (" + strings.Join(langs, " OR ") + ")"
	}
	room := maxRule - utf8.RuneCountInString(suffix) - 2 // for the brackets around the terms

	var rules, terms []string
	length := 0
	end := func() {
		if len(terms) == 0 {
			return
		}
		rule := strings.Join(terms, " OR ")
		if suffix != "" && len(terms) > 1 {
			rule = "(" + rule + ")"
		}
		rules, terms, length = append(rules, rule+suffix), nil, 0
	}
	for _, k := range keywords {
		term := term(k)
		if term == "" {
			continue
		}
		n := utf8.RuneCountInString(term)
		if n > room {
			return nil, fmt.Errorf("keyword %q is longer than the %d characters of a rule", k, maxRule)
		}
		if length > 0 && length+len(" OR ")+n > room {
			end()
		}
		if length > 0 {
			length += len(" OR ")
		}
		terms, length = append(terms, term), length+n
	}
	end()
	return rules, nil
}

// term makes one keyword: its words all have to be there.
func term(keyword string) string {
	words := strings.Fields(keyword)
	for i := range words {
		words[i] = word(words[i])
	}
	if len(words) > 1 {
		return "(" + strings.Join(words, " ") + ")"
	}
	return strings.Join(words, "")
}

// word quotes what would mean something in X's rules: operators, brackets, quotes. Tags, names and cash tags stay.
func word(w string) string {
	bare := strings.TrimLeft(w, "#@$")
	plain := len(w)-len(bare) <= 1 && bare != "" && !strings.EqualFold(w, "or") && !strings.EqualFold(w, "and")
	for _, r := range bare {
		plain = plain && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || r == '_')
	}
	if plain {
		return w
	}
	return `"` + strings.ReplaceAll(strings.ReplaceAll(w, `\`, `\\`), `"`, `\"`) + `"`
}

const rulesPath = "/2/tweets/search/stream/rules"

type rule struct {
	ID    string `json:"id,omitempty"`
	Value string `json:"value"`
	Tag   string `json:"tag,omitempty"`
}

// rulesAnswer is what X says to any request about rules.
type rulesAnswer struct {
	Data   []rule    `json:"data"`
	Errors []problem `json:"errors"`
	Meta   struct {
		Summary struct {
			NotCreated int `json:"not_created"`
			Invalid    int `json:"invalid"`
		} `json:"summary"`
	} `json:"meta"`
}

// synchronize makes the rules with our tag be the wanted ones. Rules of others stay: they belong to the same app, and X
// sends what they match as well.
func (a *api) synchronize(ctx context.Context, tag string, want []string) error {
	req, err := http.NewRequest("GET", a.url(rulesPath), nil)
	if err != nil {
		return err
	}
	var have rulesAnswer
	if err := a.call(ctx, "read the stream's rules", req, &have); err != nil {
		return err
	}
	missing := map[string]bool{}
	for _, w := range want {
		missing[w] = true
	}
	var stale []string
	for _, r := range have.Data {
		switch {
		case r.Tag != tag:
		case missing[r.Value]:
			delete(missing, r.Value)
		default:
			stale = append(stale, r.ID)
		}
	}
	if len(stale) > 0 {
		var answer rulesAnswer
		body := map[string]any{"delete": map[string]any{"ids": stale}}
		if err := a.post(ctx, "remove old rules of the stream", rulesPath, body, &answer); err != nil {
			return err
		}
	}
	var add []rule
	for _, w := range want {
		if missing[w] {
			add = append(add, rule{Value: w, Tag: tag})
		}
	}
	if len(add) == 0 {
		return nil
	}
	var answer rulesAnswer
	if err := a.post(ctx, "add rules to the stream", rulesPath, map[string]any{"add": add}, &answer); err != nil {
		return err
	}
	for _, p := range answer.Errors {
		if p.Title != "DuplicateRule" { // another source of the app has it: its posts come anyway
			return &refused{what: "add rules to the stream", status: http.StatusBadRequest, reason: p.String()}
		}
	}
	return nil
}
