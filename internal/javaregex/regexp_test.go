package javaregex

import (
	"strings"
	"testing"
)

// The expected values are what java.util.regex of Java 17 gives.
func TestFindsAsJavaDoes(t *testing.T) {
	cases := []struct {
		pattern, in, want string // want: group 0, empty for none; <> for an empty match
		back              bool
	}{
		{`a+`, "baab", "aa", false},
		{`^abc$`, "abc\r", "abc", false},
		{`^abc$`, "abc\r\n", "abc", false},
		{`^abc\z`, "abc\n", "", false},
		{`abc$`, "abc\n\n", "", false},
		{`.+`, "ab\rcd", "ab", false},
		{`(?s).+`, "ab\rcd", "ab\rcd", false},
		{`(?i)straße`, "STRAßE", "STRAßE", false},
		{`(?i)[^a]`, "Ab", "b", false},
		{`[a-z&&[^aeiou]]+`, "aeixyz", "xyz", false},
		{`[a-c[x-z]]+`, "qaxzq", "axz", false},
		{`\d+(?=€)`, "12 34€", "34", true},
		{`(\w)\1`, "hello", "ll", true},
		{`(?<x>l)\k<x>`, "hello", "ll", true},
		{`(?>a*)b`, "aaab", "aaab", true},
		{`a*+a`, "aaa", "", true},
		{`(?m)^b$`, "a\nb\nc", "b", true},
		{`foo$|bar`, "foo\n", "foo", true},
		{`\Qa.b\E+`, "a.bb", "a.bb", false},
		{`\x41\u0042\x{43}\0104`, "ABCD", "ABCD", false},
		{`\p{Alpha}+`, "é12ab", "ab", false},
		{`\p{L}+`, "12éa", "éa", false},
		{`\h+`, "a\u00a0 b", "\u00a0 ", false},
		{`(?x) a b # c`, "ab", "ab", false},
		{`[\w.-]+`, "::a.b-c::", "a.b-c", false},
		{`[]a]+`, "x]a", "]a", false},
		{`(?i:A)b`, "ab", "ab", false},
		{`(?i:A)b`, "aB", "", false},
		{`a{2,3}?`, "aaaa", "aa", false},
		{`a{1500}`, strings.Repeat("a", 1500), strings.Repeat("a", 1500), true},
	}
	for _, c := range cases {
		re, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		loc, err := re.Find([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		}
		got := ""
		if loc != nil {
			got = c.in[loc[0]:loc[1]]
		}
		if got != c.want {
			t.Errorf("%s on %q: %q, want %q", c.pattern, c.in, got, c.want)
		}
		if re.Backtracks() != c.back {
			t.Errorf("%s: Backtracks %v, want %v", c.pattern, re.Backtracks(), c.back)
		}
	}
}

func TestGroupsAreBytes(t *testing.T) {
	for _, pattern := range []string{`(é+)=(x)?(.)`, `(é+)=(x)?(.)(?=)`} {
		re, err := Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		in := "\xffa éé=7"
		loc, err := re.Find([]byte(in))
		if err != nil || loc == nil {
			t.Fatalf("%s: %v, %v", pattern, loc, err)
		}
		if in[loc[2]:loc[3]] != "éé" || loc[4] != -1 || in[loc[6]:loc[7]] != "7" {
			t.Errorf("%s: %v", pattern, loc)
		}
	}
}

func TestReplacesAsJavaDoes(t *testing.T) {
	cases := []struct{ pattern, rep, in, want string }{
		{`b`, `x`, "abcb", "axcx"},
		{`(\w)(\d)`, `$2$1`, "a1b2", "1a2b"},
		{`(a)`, `$12`, "a", "a2"},
		{`a`, `\$1\\`, "a", `$1\`},
		{`(?<n>a)`, `[${n}]`, "xa", "x[a]"},
		{`\d+$`, ``, "a12\n", "a\n"},
		{`(a)|b`, `<$1>`, "ab", "<a><>"},
		{`(?<=a)b`, `B`, "abb", "aBb"},
		{`x*`, `-`, "abc", "-a-b-c-"},
		{`é`, `e`, "\xffé", "\xffe"},
	}
	for _, c := range cases {
		re, err := Compile(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := re.Replacement(c.rep)
		if err != nil {
			t.Errorf("%s: %v", c.rep, err)
			continue
		}
		got, _, err := re.ReplaceAll([]byte("<<"), []byte(c.in), rep)
		if err != nil || string(got) != "<<"+c.want {
			t.Errorf("%q: %s by %s: %q, %v, want %q", c.in, c.pattern, c.rep, got, err, c.want)
		}
	}
}

func TestRefusesByName(t *testing.T) {
	for pattern, want := range map[string]string{
		`a(b`: "`(` without `)`", `a)`: "`)` without `(`", `[a`: "`[` without `]`", `\`: "escapes nothing", `*a`: "nothing to repeat",
		`\X`: `\X is not supported`, `\G`: `\G`, `\p{InGreek}`: "InGreek", `(?U)a`: "flag (?U)", `\1(a)`: `\1`, `\y`: `\y means nothing`,
		`[z-a]`: "above its start", `(?<a>x)(?<a>y)`: "named \"a\"",
	} {
		if _, err := Compile(pattern); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "character") {
			t.Errorf("%s: %v, want %s and the place", pattern, err, want)
		}
	}
	re, _ := Compile(`(a)`)
	for rep, want := range map[string]string{`$2`: "no group 2", `$`: "without a group", `a\`: "escapes nothing", `${x}`: "named"} {
		if _, err := re.Replacement(rep); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", rep, err, want)
		}
	}
}

func TestACatastropheEnds(t *testing.T) {
	re, err := Compile(`(a+)+\1b`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := re.Match([]byte(strings.Repeat("a", 60))); err != ErrSlow {
		t.Errorf("%v, want ErrSlow", err)
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`^(\d+)-([a-z&&[^b]]+)$`, `(?i)x{2,}\k<a>`, `[\Q]\E^-]`, `\p{L}\u00e9(?=a)`} {
		f.Add(s, "12-abc")
	}
	f.Fuzz(func(t *testing.T, pattern, in string) {
		if len(pattern) > 100 || len(in) > 100 {
			return
		}
		re, err := Compile(pattern)
		if err != nil {
			return
		}
		loc, err := re.Find([]byte(in))
		if err != nil || loc == nil {
			return
		}
		if len(loc) != 2*(re.Groups()+1) || loc[0] < 0 || loc[1] < loc[0] || loc[1] > len(in) {
			t.Errorf("%q on %q: %v", pattern, in, loc)
		}
	})
}
