package registry

import (
	"regexp"
	"testing"
	"time"

	"goflume/conf"
)

type inner struct {
	Map   map[string]string
	List  []string
	Node  *conf.Node
	wait  time.Duration
	other any
}

func node(line int, kv ...string) *conf.Node {
	n := &conf.Node{Name: "k1"}
	for i := 0; i < len(kv); i += 2 {
		at := conf.Pos{Line: line + i, Column: 1}
		n.Props = append(n.Props, conf.Property{Key: kv[i], Value: kv[i+1], KeyAt: at, ValueAt: at})
	}
	return n
}

func TestPlansAreComparedByMeaning(t *testing.T) {
	e := &Entry[int]{Name: "x"}
	full := func() inner {
		return inner{Map: map[string]string{"a": "1"}, List: []string{"x", "y"}, Node: node(3, "b", "2", "c", "3"), wait: time.Second, other: inner{List: []string{"z"}}}
	}
	for _, c := range []struct {
		name   string
		change func(*inner)
		want   bool
	}{
		{"nothing", func(*inner) {}, true},
		{"the place", func(s *inner) { s.Node = node(40, "b", "2", "c", "3") }, true},
		{"a value below a prefix", func(s *inner) { s.Node = node(3, "b", "2", "c", "4") }, false},
		{"a node", func(s *inner) { s.Node = nil }, false},
		{"a map", func(s *inner) { s.Map["a"] = "2" }, false},
		{"a map's key", func(s *inner) { delete(s.Map, "a"); s.Map["b"] = "1" }, false},
		{"a list", func(s *inner) { s.List = s.List[:1] }, false},
		{"a number", func(s *inner) { s.wait++ }, false},
		{"something nested", func(s *inner) { s.other = inner{List: []string{"w"}} }, false},
		{"a type", func(s *inner) { s.other = 3 }, false},
		{"a pointer", func(s *inner) { s.other = regexp.MustCompile("a") }, false},
	} {
		s := full()
		c.change(&s)
		if got := (Plan[int]{e, full()}).Equal(Plan[int]{e, s}); got != c.want {
			t.Errorf("settings that differ in %s: equal %v, want %v", c.name, got, c.want)
		}
	}
	if (Plan[int]{e, full()}).Equal(Plan[int]{&Entry[int]{Name: "x"}, full()}) {
		t.Error("plans of two types are equal")
	}
}
