package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goflume/conf"
)

func TestTailCommands(t *testing.T) {
	for command, want := range map[string]string{
		"tail -F /a/b":                              "end /a/b",
		"tail -f /a/b /c/d":                         "end /a/b /c/d",
		"/usr/bin/tail -n +1 -F /a/b":               "start /a/b",
		"tail -n+1 -F /a/b":                         "start /a/b",
		"tail -c +0 -f /a/b":                        "start /a/b",
		"tail -Fn 100 /a/b":                         "end /a/b",
		"tail -fqn0 /a/b":                           "end /a/b",
		"tail -20f /a/b":                            "end /a/b",
		"tail -100 -F /a/b":                         "end /a/b",
		"tail --follow=name --retry /a/b":           "end /a/b",
		"tail -F --lines=+5 /a/b":                   "start after +5 /a/b",
		"tail -F --lines +1 /a/b":                   "start /a/b",
		"tail -s 5 -F /a/b -q":                      "end /a/b",
		"tail -F -- -b":                             "end -b",
		"tail -F /a/b /a/b":                         "end /a/b",
		"tail -n +1 -n 0 -F /a/b":                   "end /a/b",
		"tail /a/b":                                 "does not follow",
		"tail -F":                                   "names no file",
		"tail -F -n":                                "gives -n no value",
		"tail -F -":                                 "standard input",
		"tail -F /a/":                               "directory",
		"tail -zF /a/b":                             "the option -zF",
		"tail -F --zero-terminated /a/b":            "the option --zero-terminated",
		"tail -F /a/*.log":                          "has a *",
		`tail -F "/a/b c"`:                          `has a "`,
		"cd /a && tail -F b":                        "not tail, but cd",
		"sudo tail -F /a/b":                         "not tail, but sudo",
		"tail -F /a/b 2>/dev/null":                  "has a >",
		"":                                          "no value",
		"tail -F $$LOG":                             "has a $",
		"tail -F /a/b | awk 'length > 5'":           "has a |",
		"tail -n 5 -F /a/b --max-unchanged-stats=3": "end /a/b",
	} {
		f, err := readTail(conf.Property{Value: command, Written: command})
		got := "end"
		if f.start {
			got = "start"
		}
		if f.skipped != "" {
			got += " after " + f.skipped
		}
		got += " " + strings.Join(f.files, " ")
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", command, err, want)
			}
		} else if got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
}

func TestReplaceFileKeepsRightsAndLinks(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "a.conf"), filepath.Join(dir, "link.conf")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o604); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.conf", link); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	info, err = os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o604 {
		t.Errorf("rights %v, %v", info.Mode(), err)
	}
	if got, _ := os.ReadFile(file); string(got) != "new" {
		t.Errorf("got %q", got)
	}
	if err := replaceFile(file, []byte("old"), []byte("newer")); err == nil || !strings.Contains(err.Error(), "changed in the meantime") {
		t.Errorf("a file that was changed: %v", err)
	}
	if got, _ := os.ReadFile(file); string(got) != "new" {
		t.Errorf("after a refusal: %q", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
