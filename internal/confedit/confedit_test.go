package confedit

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goflume/conf"
)

func parse(t *testing.T, data string) (*Text, *conf.File) {
	t.Helper()
	in := conf.Input{Name: "a.conf", Data: []byte(data)}
	set, _ := conf.Parse(t.Context(), conf.Env{}, in)
	if set == nil {
		t.Fatalf("%q: no properties", data)
	}
	text, err := New(in, set.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	return text, set.Files[0]
}

func TestWhatIsNotChangedStaysByteForByte(t *testing.T) {
	for _, data := range []string{
		"a = b\n", "a = b", "\r\n a=b\r\n# x\r\r\n", "\ufeffa = b\n", "# caf\xe9\na = \xe9\n", "a = b\\\n  c\\\n\n\n", "a = b\\",
	} {
		text, _ := parse(t, data)
		if got := string(text.Bytes()); got != data || text.Changed() {
			t.Errorf("%q: %q", data, got)
		}
		var diff bytes.Buffer
		if err := text.WriteDiff(&diff); err != nil || diff.Len() > 0 {
			t.Errorf("%q: diff %q, %v", data, diff.String(), err)
		}
	}
}

func TestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		data, want string
		change     func(*Text, *conf.File)
	}{
		"two places of a line": {"a.b = c\n", "x.b = yy\n", func(x *Text, f *conf.File) {
			x.Replace(conf.Pos{File: f, Line: 1, Column: 1, EndColumn: 2}, "x")
			x.Replace(conf.Pos{File: f, Line: 1, Column: 7, EndColumn: 8}, "yy")
		}},
		"character set":  {"a = \xe9b\n", "a = \xe9\\u0142\n", func(x *Text, f *conf.File) { x.Replace(conf.Pos{File: f, Line: 1, Column: 6, EndColumn: 7}, "ł") }},
		"columns":        {"a = łb\n", "a = łx\n", func(x *Text, f *conf.File) { x.Replace(conf.Pos{File: f, Line: 1, Column: 6, EndColumn: 7}, "x") }},
		"continued":      {"a = b\\\n  c\nd = e\n", "# no: a = b\\\n#   c\nf = g\nd = e\n", func(x *Text, _ *conf.File) { x.Comment(2, "no"); x.Below(1, "f = g") }},
		"line ends":      {"a = b\r\nc = d", "a = b\r\nc = d\r\ne = f\r\ng = h", func(x *Text, _ *conf.File) { x.Below(2, "e = f", "g = h") }},
		"even backslash": {"a = b\\\\\nc = d\n", "# no: a = b\\\\\nc = d\n", func(x *Text, _ *conf.File) { x.Comment(1, "no") }},
		"comment":        {"# a \\\na = b\n", "# a \\\n# no: a = b\n", func(x *Text, _ *conf.File) { x.Comment(2, "no") }},
	} {
		text, f := parse(t, c.data)
		c.change(text, f)
		if got := string(text.Bytes()); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestPatchTakesTheDiff(t *testing.T) {
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("there is no patch")
	}
	lines := strings.Split(strings.Repeat("a.x = y\n", 40), "\n")
	for n := range 40 {
		dir := t.TempDir()
		data := strings.Join(lines[:40], "\n") // no line end at the end
		text, f := parse(t, data)
		text.Comment(1+n, "no")
		text.Below(1+(n*7)%40, "new = 1", "new = 2")
		text.Replace(conf.Pos{File: f, Line: 1 + (n*13)%40, Column: 1, EndColumn: 2}, "b")
		var diff bytes.Buffer
		if err := text.WriteDiff(&diff); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "a.conf")
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(patch, "-F0", "a.conf")
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(diff.Bytes())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, out, diff.String())
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, text.Bytes()) {
			t.Errorf("%d: got %q, %v, want %q", n, got, err, text.Bytes())
		}
	}
}

func TestSecretsAreNotInTheDiff(t *testing.T) {
	text, _ := parse(t, "a1.sinks = k1\na1.sinks.k1.password = hunter2\n"+
		"#a1.sinks.k1.token = hunter2\n ! a1.sinks.k1.token: hunter2\n## password of k1\n#a1.sinks.k1.token hunter2\na1.sinks.k1.secret hun\\\n  ter2\na1.sinks.k1.url = http://hunter2:x@host/\n")
	text.Comment(2, "no")
	text.Below(1, "x = y")
	var diff bytes.Buffer
	if err := text.WriteDiff(&diff); err != nil {
		t.Fatal(err)
	}
	if out := diff.String(); strings.Contains(out, "hun") || strings.Contains(out, "ter2") || !strings.Contains(out, "## password of k1\n") || !strings.Contains(out, "+# no: a1.sinks.k1.password = "+conf.Mask) {
		t.Error(out)
	}
	if !bytes.Contains(text.Bytes(), []byte("# no: a1.sinks.k1.password = hunter2\n")) {
		t.Error("the mask is in the file")
	}
}

func FuzzNewKeepsEveryByte(f *testing.F) {
	f.Add("a = b\\\r\n c\r\r\n\ufeff#\xe9\n")
	f.Fuzz(func(t *testing.T, data string) {
		in := conf.Input{Name: "a.conf", Data: []byte(data)}
		set, _ := conf.Parse(t.Context(), conf.Env{}, in)
		if set == nil || len(set.Files) != 1 {
			return
		}
		text, err := New(in, set.Files[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text.Bytes()); got != data {
			t.Errorf("got %q, want %q", got, data)
		}
	})
}
