package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxFile is the most bytes that a configuration file may have. Real ones have some thousand; one of this size is read and
// checked within seconds whatever is in it.
const MaxFile = 1 << 20

// Input is a configuration file's name, for messages, and its bytes.
type Input struct {
	Name   string
	Data   []byte
	Public bool // every user of the machine may read it
}

// Read reads the files. A directory stands for its *.conf and *.properties, in the order of their names; `-` is stdin.
// What cannot be read is an issue.
func Read(stdin io.Reader, paths ...string) ([]Input, []Issue) {
	var inputs []Input
	var issues []Issue
	for _, path := range paths {
		if path == "-" {
			inputs, issues = read(inputs, issues, "stdin", stdin)
			continue
		}
		files := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			if files = configurationsIn(path); len(files) == 0 {
				issues = append(issues, Issue{Code: codeNoFile, Message: fmt.Sprintf("directory %s has no configuration", path),
					Help: []string{"name a file, or put one with the ending .conf or .properties there"}})
			}
		}
		for _, name := range files {
			if is, bad := wrongKind(name); bad {
				issues = append(issues, is)
				continue
			}
			f, err := os.Open(name)
			if err != nil {
				issues = append(issues, cannotRead(name, err))
				continue
			}
			before := len(inputs)
			inputs, issues = read(inputs, issues, name, f)
			if info, err := f.Stat(); err == nil && len(inputs) > before {
				inputs[before].Public = info.Mode().Perm()&0o004 != 0
			}
			f.Close()
		}
	}
	return inputs, issues
}

func configurationsIn(dir string) []string {
	entries, _ := os.ReadDir(dir) // sorted by name
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); (ext == ".conf" || ext == ".properties") && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}

func wrongKind(name string) (Issue, bool) {
	ext := strings.ToLower(filepath.Ext(name))
	if !slices.Contains([]string{".json", ".yaml", ".yml", ".xml"}, ext) {
		return Issue{}, false
	}
	return Issue{Code: codeWrongKind, Message: fmt.Sprintf("%s: a configuration is a Java properties file, not %s", name, ext[1:]),
		Help: []string{"rename it to .conf if it is one in spite of its name"}, Flume: "the file is ignored"}, true
}

func cannotRead(name string, err error) Issue {
	what := err.Error()
	var pe *fs.PathError
	if errors.As(err, &pe) {
		what = pe.Err.Error()
	}
	is := Issue{Code: codeNoFile, Message: fmt.Sprintf("cannot read %s: %s", name, what)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		is.Help = []string{"check the path; `agent create netcat/memory/logger -o flume.conf` writes a first configuration"}
		is.Flume = "the process ends with status 0"
		if near := nearFile(name); near != "" {
			is.Help = []string{"did you mean " + near + "?"}
		}
	case errors.Is(err, fs.ErrPermission):
		is.Help = []string{"let the user of this process read it"}
	}
	return is
}

func nearFile(name string) string {
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(entries) > 1000 {
		return ""
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if near := Nearest(filepath.Base(name), names); near != "" {
		return filepath.Join(filepath.Dir(name), near)
	}
	return ""
}

func read(inputs []Input, issues []Issue, name string, r io.Reader) ([]Input, []Issue) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	switch {
	case err != nil:
		return inputs, append(issues, cannotRead(name, err))
	case len(data) > MaxFile:
		return inputs, append(issues, Issue{Code: codeTooLarge,
			Message: fmt.Sprintf("%s is larger than the %d MiB that a configuration may have", name, MaxFile>>20),
			Help:    []string{"is this the right file? Real configurations have some thousand bytes"}})
	}
	return append(inputs, Input{Name: name, Data: data}), issues
}

var (
	utf8BOM    = []byte{0xef, 0xbb, 0xbf}
	utf16BOMs  = [][]byte{{0xff, 0xfe}, {0xfe, 0xff}}
	zipMagic   = []byte("PK\x03\x04")
	gzipMagic  = []byte{0x1f, 0x8b}
	binaryHelp = "is this the right file? A configuration is text: lines of `key = value`"
)

// text decodes an input: UTF-8, or ISO-8859-1 where it is not valid UTF-8. ok is false for what is no text.
func (in Input) text() (text string, issues []Issue, ok bool) {
	data := in.Data
	for _, bom := range utf16BOMs {
		if bytes.HasPrefix(data, bom) {
			return "", []Issue{{Code: codeBinary, Message: in.Name + " is UTF-16", Help: []string{"save it as UTF-8"},
				Flume: "no line is understood"}}, false
		}
	}
	if bytes.IndexByte(data, 0) >= 0 || bytes.HasPrefix(data, zipMagic) || bytes.HasPrefix(data, gzipMagic) {
		return "", []Issue{{Code: codeBinary, Message: in.Name + " is a binary file, not a configuration", Help: []string{binaryHelp}}}, false
	}
	bom := bytes.HasPrefix(data, utf8BOM)
	data = bytes.TrimPrefix(data, utf8BOM)
	if utf8.Valid(data) {
		text = string(data)
	} else {
		latin := make([]rune, len(data))
		for i, b := range data {
			latin[i] = rune(b)
		}
		text = string(latin)
	}
	if bom {
		issues = append(issues, Issue{Severity: Warning, Code: codeBOM,
			Message: "the file starts with a byte order mark", Help: []string{"save it as UTF-8 without one"},
			Flume: "the mark is part of the first key, so that this line is lost"})
	}
	return text, issues, true
}
