package conf

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/magiconair/properties"
)

func TestJavaPropertiesSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"a.b = c":                      "a.b|c",
		"a.b=c # no comment":           "a.b|c # no comment",
		"a.b:c":                        "a.b|c",
		"a.b c d":                      "a.b|c d",
		"\t a.b\t:\t c \t ":            "a.b|c",
		"a.b = = c":                    "a.b|= c",
		"a.b":                          "a.b|",
		"# x = y\n! z = 1\n \n\ta = 1": "a|1",
		"a = b\\\n   c\\\r\n\t d":      "a|bcd",
		"a = b\\\\\nc = d":             "a|b\\;c|d",
		"a = 1\rb = 2\r\nc = 3":        "a|1;b|2;c|3",
		"a\\ b\\=c = d":                "a b=c|d",
		"a = \\u00e9\\t\\d\\\\d":       "a|é\td\\d",
		"a = \\ud83d\\ude00":           "a|😀",
		"a = end\\":                    "a|end",
		"key\\\n  .more = v":           "key.more|v",
		"a = \\\n  # still the value":  "a|# still the value",
		"a = ü=ö":                      "a|ü=ö",
		"agent-1.sources.r-1_x.y = 1":  "agent-1.sources.r-1_x.y|1",
		"\\#a = 1":                     "#a|1",
		"":                             "",
	} {
		_, entries, issues := scan("flume.conf", text)
		var got []string
		for _, e := range entries {
			got = append(got, e.key+"|"+e.written)
		}
		if strings.Join(got, ";") != want || len(issues) > 0 {
			t.Errorf("%q: %q %s, want %q", text, strings.Join(got, ";"), brief(issues), want)
		}
	}
}

func TestPlacesOfKeysAndValues(t *testing.T) {
	for text, want := range map[string]string{
		"a.b = c d  ":           "1:1-4 1:7-10",
		"\t ä.b=ö":              "1:3-6 1:7-8",
		"#\n a.b":               "2:2-5 2:5-5",
		"a = \\\n   x y \\\n z": "1:1-2 2:4-8",
		"a = b \\\n c":          "1:1-2 1:5-7",
		"a\\u0062 = 1":          "1:1-8 1:11-12",
	} {
		_, entries, _ := scan("flume.conf", text)
		k, v := entries[0].keyAt, entries[0].valueAt
		got := fmt.Sprintf("%d:%d-%d %d:%d-%d", k.Line, k.Column, k.EndColumn, v.Line, v.Column, v.EndColumn)
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestScanAgreesWithTheLibrary compares with magiconair's reading of whole files, which have random keys, separators,
// escapes, comments and continued lines.
func TestScanAgreesWithTheLibrary(t *testing.T) {
	pieces := []string{"a", "b.c", "é", "\\u00e9", "\\n", "\\\\", "\\:", "\\ ", "=", ":", " ", "\t", "\f", "#", "!", "${x}", "\\d", "'"}
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		var b strings.Builder
		for range rnd.IntN(n) {
			b.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		return b.String()
	}
	compared := 0
	for range 20000 {
		var b strings.Builder
		for range 1 + rnd.IntN(5) {
			switch rnd.IntN(5) {
			case 0:
				b.WriteString("# " + word(4) + "\n")
			case 1:
				b.WriteString("k" + word(3) + " = " + word(4) + "\\\n  " + word(4) + "x\n")
			default:
				b.WriteString(word(6) + "\n")
			}
		}
		text := b.String()
		_, entries, issues := scan("flume.conf", text)
		if len(issues) > 0 { // an empty key: Java accepts it, the library does not and leaves a goroutine behind
			continue
		}
		whole, err := (&properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}).LoadBytes([]byte(text))
		if err != nil {
			t.Fatalf("%q: the library says %v, scan says nothing", text, err)
		}
		compared++
		got := map[string]string{}
		for _, e := range entries {
			got[e.key] = e.written
		}
		want := map[string]string{}
		for _, key := range whole.Keys() {
			v, _ := whole.Get(key)
			if k := trim(key); k != "" {
				want[k] = trim(v)
			}
		}
		if len(whole.Keys()) != len(want) {
			continue // two keys that trimming makes one
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q\n got %q\nwant %q", text, got, want)
		}
	}
	if compared < 5000 {
		t.Errorf("only %d files could be compared", compared)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a1.sources = r1\na1.channels=c1, c2\na1.sources.r1.type = seq\nal.sinks.k1.x = ${env:X:-${y}}\n"))
	f.Add([]byte("\xef\xbb\xbfa.b\\\r\n c : \\u00e9\\ud83d\\ude00 ${f1['x']}\n= x\na.sinkgroups = g\na.sinkgroups.g.sinks = k,\n"))
	f.Add([]byte("a.sinks = k\na.sinks.k.channels = \xff\xfe c ${a.sinks}\n#\\\n\\"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "command") {
			t.Skip("would run a command")
		}
		out, s, issues := check(t, testEnv, Input{Name: "flume.conf", Data: data})
		for _, is := range issues {
			if lines := 0; is.At.File != nil {
				if lines = len(is.At.File.Lines); is.At.Line < 1 || is.At.Line > lines || is.At.Column < 1 || is.At.EndColumn < is.At.Column {
					t.Errorf("%s %s at %d:%d-%d of %d lines", is.Code, is.Message, is.At.Line, is.At.Column, is.At.EndColumn, lines)
				}
			}
		}
		if strings.ContainsRune(out, '\x1b') {
			t.Error("an escape sequence reaches the terminal")
		}
		if s == nil && !HasErrors(issues) && len(issues) == 0 {
			t.Error("nothing parsed and nothing said")
		}
	})
}
