package escape

import (
	"path"
	"strings"
	"testing"
	"time"
)

func TestValuesStayBelowTheLiteralDirectory(t *testing.T) {
	for _, c := range []struct{ in, value, want string }{
		{"/logs/%{h}/x", "a/b", "/logs/a/b/x"},
		{"/logs/%{h}/x", "../../etc", "/logs/_/_/etc/x"},
		{"/logs/%{h}", "..", "/logs/_"},
		{"/logs/%{h}", ".", "/logs/_"},
		{"/logs/.%{h}", ".", "/logs/_"},
		{"/logs/%{h}%{h}", ".", "/logs/_"},
		{"/logs/%{h}./x", ".", "/logs/_/x"},
		{"/logs/%{h}", "...", "/logs/..."},
		{"/logs/%{h}", "a..b", "/logs/a..b"},
		{"/logs/%{h}", "a\x00b\nc\x7fd\u0085e", "/logs/a_b_c_d_e"},
		{"/logs/%{h}", "\xff\xfe", "/logs/__"},
		{"/logs/%{h}", "é☃", "/logs/é☃"},
		{"/logs/%{h}/x", "", "/logs//x"},
		{"/a/../logs/%{h}", "..", "/a/../logs/_"},
		{"%[localhost]%{h}", "/../..", ""},
		{"logs/%{h}", "/../etc", "logs//_/etc"},
	} {
		tp := compile(t, c.in, Options{Confine: Path})
		got := render(t, tp, ev("h", c.value))
		if c.want != "" && got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.in, c.value, got, c.want)
		}
		if n, changed := tp.Confined(), strings.Contains(c.want, "_") || c.want == ""; (n > 0) != changed {
			t.Errorf("%s of %q: %d confined, want changed = %v", c.in, c.value, n, changed)
		}
	}
}

func TestNamesHoldNoSlash(t *testing.T) {
	tp := compile(t, "ev-%{h}", Options{Confine: Name, Reserved: ":"})
	if got := render(t, tp, ev("h", "../a:b")); got != "ev-.._a_b" {
		t.Errorf("%q, want ev-.._a_b", got)
	}
	for range 2 {
		render(t, tp, ev("h", "../a:b"))
	}
	if n := tp.Confined(); n != 3 {
		t.Errorf("Confined: %d, want 3", n)
	}
	if n := tp.Confined(); n != 0 {
		t.Errorf("Confined again: %d, want 0", n)
	}
}

func FuzzValuesStayBelow(f *testing.F) {
	f.Add("/logs/%{a}/%{b}", "..", "../..")
	f.Add("/logs/%{a}%{b}", ".", "./")
	f.Add("x%{a}/../%{b}", "\x00", "//")
	f.Add("/l/%Y%{a}.%{b}", "/..", "..")
	f.Fuzz(func(t *testing.T, template, a, b string) {
		tp, err := Compile(template, Options{Confine: Path, Zone: time.UTC})
		if err != nil {
			return
		}
		got, err := tp.Render(ev("a", a, "b", b, "timestamp", june), time.Time{})
		if err != nil {
			return
		}
		root := template
		if i := strings.IndexByte(template, '%'); i >= 0 {
			root = template[:i]
		}
		root = path.Clean(root[:strings.LastIndexByte(root, '/')+1])
		if root == "." || strings.Contains(template, "..") {
			return
		}
		if clean := path.Clean(got); clean != root && !strings.HasPrefix(clean, strings.TrimSuffix(root, "/")+"/") {
			t.Errorf("%q of %q, %q: %q is not below %q", template, a, b, got, root)
		}
	})
}
