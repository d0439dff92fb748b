package conf

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// systemProperty answers for the Java system properties that a configuration may count on without any -D.
func systemProperty(name string) (string, bool) {
	var v string
	var err error
	switch name {
	case "user.home":
		v, err = os.UserHomeDir()
	case "user.dir":
		v, err = os.Getwd()
	case "user.name":
		if v = os.Getenv("USER"); v == "" {
			v = os.Getenv("LOGNAME")
		}
	case "java.io.tmpdir":
		v = os.TempDir()
	case "file.separator":
		v = string(os.PathSeparator)
	case "path.separator":
		v = string(os.PathListSeparator)
	case "line.separator":
		v = "\n"
	case "os.name":
		v = map[string]string{"linux": "Linux", "darwin": "Mac OS X", "windows": "Windows"}[runtime.GOOS]
	case "os.arch":
		v = map[string]string{"arm64": "aarch64"}[runtime.GOARCH]
		if v == "" {
			v = runtime.GOARCH
		}
	}
	return v, err == nil && v != ""
}

// java answers ${java:...}: in the form of commons-text, but of the program that runs here, which is no Java.
func (env *Env) java(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "version":
		return "goflume " + env.Version, true
	case "runtime", "vm":
		return runtime.Version() + " (goflume " + env.Version + ")", true
	case "os":
		v, _ := systemProperty("os.name")
		return fmt.Sprintf("%s, architecture: %s", v, runtime.GOARCH), true
	case "hardware":
		return fmt.Sprintf("processors: %d, architecture: %s", runtime.NumCPU(), runtime.GOARCH), true
	case "locale":
		return "default locale: " + os.Getenv("LANG"), true
	}
	return "", false
}

// formatDate formats t by a pattern of Java's SimpleDateFormat, in English and in t's zone. Without a pattern it is Java's
// short form.
func formatDate(t time.Time, pattern string) (string, error) {
	if pattern == "" {
		pattern = "M/d/yy, h:mm a"
	}
	var b strings.Builder
	p := []rune(pattern)
	for i := 0; i < len(p); {
		r := p[i]
		if r == '\'' {
			n, err := quotedText(&b, p[i:])
			if err != nil {
				return "", err
			}
			i += n
			continue
		}
		n := 1
		for i+n < len(p) && p[i+n] == r {
			n++
		}
		i += n
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			b.WriteString(strings.Repeat(string(r), n))
			continue
		}
		text, ok := dateField(t, r, n)
		if !ok {
			return "", fmt.Errorf("letter %c is not known", r)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// quotedText writes what stands between two quotes and returns the runes read; two quotes in a row are one.
func quotedText(b *strings.Builder, p []rune) (int, error) {
	if len(p) > 1 && p[1] == '\'' {
		b.WriteByte('\'')
		return 2, nil
	}
	for i := 1; i < len(p); i++ {
		switch {
		case p[i] != '\'':
			b.WriteRune(p[i])
		case i+1 < len(p) && p[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			return i + 1, nil
		}
	}
	return 0, errors.New("a quote is not closed")
}

// dateField formats one run of n letters.
func dateField(t time.Time, letter rune, n int) (string, bool) {
	number := func(v int) (string, bool) { return fmt.Sprintf("%0*d", n, v), true }
	switch letter {
	case 'y', 'Y', 'u':
		if letter == 'u' {
			return number((int(t.Weekday())+6)%7 + 1)
		}
		year := t.Year()
		if letter == 'Y' {
			year, _ = t.ISOWeek()
		}
		if n == 2 {
			return fmt.Sprintf("%02d", year%100), true
		}
		return number(year)
	case 'M', 'L':
		switch {
		case n >= 4:
			return t.Month().String(), true
		case n == 3:
			return t.Month().String()[:3], true
		}
		return number(int(t.Month()))
	case 'd':
		return number(t.Day())
	case 'D':
		return number(t.YearDay())
	case 'w':
		_, week := t.ISOWeek()
		return number(week)
	case 'E':
		if n >= 4 {
			return t.Weekday().String(), true
		}
		return t.Weekday().String()[:3], true
	case 'a':
		return t.Format("PM"), true
	case 'H':
		return number(t.Hour())
	case 'k':
		return number((t.Hour()+23)%24 + 1)
	case 'K':
		return number(t.Hour() % 12)
	case 'h':
		return number((t.Hour()+11)%12 + 1)
	case 'm':
		return number(t.Minute())
	case 's':
		return number(t.Second())
	case 'S':
		return number(t.Nanosecond() / int(time.Millisecond))
	case 'z':
		return t.Format("MST"), true
	case 'Z':
		return t.Format("-0700"), true
	case 'X':
		layout := map[int]string{1: "Z07", 2: "Z0700", 3: "Z07:00"}[n]
		return t.Format(layout), layout != ""
	case 'G':
		return "AD", true
	}
	return "", false
}
