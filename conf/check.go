package conf

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Part is a component with its decoded settings.
type Part struct {
	Node     *Node
	Settings any
}

// TimeUser is what settings of sinks implement whose events may need a timestamp header. NeedsTimestamp returns the key
// of the value with the escapes, such as hdfs.path, where they do.
type TimeUser interface {
	NeedsTimestamp() (key string, needed bool)
}

// timeEscape is an escape that is filled in from the timestamp header: those of Flume's BucketPath.
var timeEscape = regexp.MustCompile(`%[taAbBcdDeHIjklmMnpsSyYzZ]`)

// HeaderSetter is what settings of sources and interceptors implement whose events have the header, or may have it.
type HeaderSetter interface {
	MaySetHeader(name string) bool
}

// PositionKeeper is what settings of sources implement that keep in a file how far they have read. KeepsPositions returns
// the key of its path, and the path.
type PositionKeeper interface {
	KeepsPositions() (key, file string)
}

// field finds a setting and the number in it. ok is false if there is none that match agrees to.
func (p Part) field(match func(*Field) bool) (f Field, n int64, ok bool) {
	if p.Settings == nil {
		return f, 0, false
	}
	for _, f := range Fields(p.Settings) {
		if match(&f) && f.value.CanInt() {
			return f, f.value.Int(), true
		}
	}
	return f, 0, false
}

// given returns the property that sets the field.
func (p Part) given(f *Field) (Property, bool) {
	for _, key := range append([]string{f.Key}, f.Was...) {
		if q, ok := p.Node.Get(key); ok {
			return q, true
		}
	}
	return Property{}, false
}

// CheckRights reports files that have a secret in clear text, as the issues say, and that every user of the machine may
// read.
func CheckRights(issues []Issue) []Issue {
	var more []Issue
	for _, is := range issues {
		f := is.At.File
		known := slices.ContainsFunc(more, func(m Issue) bool { return m.At.File == f })
		if is.Code != codeClearSecret || f == nil || !f.public || known {
			continue
		}
		more = append(more, Issue{Severity: Warning, Code: codePublic, Mark: Mark{is.At, "a secret in clear text"}, Secret: true,
			Message: f.Name + " holds a secret, and every user of this machine may read it",
			Help:    []string{"chmod 640 " + f.Name}})
	}
	return more
}

// CheckBatch reports a source or sink whose batch is larger than the channel's transactionCapacity.
func CheckBatch(user, channel Part) (Issue, bool) {
	batch, size, ok := user.field(func(f *Field) bool { return f.Batch })
	tx, limit, has := channel.field(func(f *Field) bool { return f.Key == "transactionCapacity" })
	if !ok || !has || limit <= 0 || size <= limit {
		return Issue{}, false
	}
	n, c := user.Node, channel.Node
	is := Issue{Severity: Warning, Code: codeBatch, Agent: n.Agent, Component: n.Label(), Property: batch.Key}
	byDefault := ""
	if p, ok := user.given(&batch); ok {
		is.Mark = Mark{p.ValueAt, p.Key}
	} else {
		is.Mark, byDefault = Mark{n.place(), batch.Key + " by default"}, " (the default)"
	}
	limitIs := fmt.Sprint(limit)
	if p, ok := channel.given(&tx); ok {
		is.Also = []Mark{{p.ValueAt, p.Key}}
	} else {
		limitIs += ", the default"
	}
	is.Message = fmt.Sprintf("batch of %d%s is larger than the transaction of %s (%s)", size, byDefault, c.Label(), limitIs)
	set := fmt.Sprintf("`%s.transactionCapacity = %d`", c.Path(), size)
	if _, room, ok := channel.field(func(f *Field) bool { return f.Key == "capacity" }); ok && room < size {
		set += fmt.Sprintf(" and `%s.capacity = %d`", c.Path(), size)
	}
	is.Help = []string{"set " + set + ", or lower the batch"}
	is.Notes = []string{fmt.Sprintf("this agent runs with a batch of %d; Flume 1.9 and later remove the %s at start", limit, n.kind())}
	return is, true
}

// CheckPositions reports a source that keeps its positions in the file of an earlier one.
func CheckPositions(earlier []Part, source Part) (Issue, bool) {
	keeper, ok := source.Settings.(PositionKeeper)
	if !ok {
		return Issue{}, false
	}
	key, file := keeper.KeepsPositions()
	file = filepath.Clean(file)
	i := slices.IndexFunc(earlier, func(p Part) bool {
		other, ok := p.Settings.(PositionKeeper)
		if !ok {
			return false
		}
		_, its := other.KeepsPositions()
		return filepath.Clean(its) == file
	})
	if i < 0 {
		return Issue{}, false
	}
	n, first := source.Node, earlier[i].Node
	is := Issue{Severity: Error, Code: codeRule, Mark: Mark{At: n.place()}, Agent: n.Agent, Component: n.Label(), Property: key,
		Message: fmt.Sprintf("%s: %s keeps its positions in %s too", key, first.Label(), file),
		Help:    []string{fmt.Sprintf("give each a file of its own: `%s.%s = %s-%s`", n.Path(), key, file, n.Name)},
		Flume:   "each overwrites what the other has noted, and a restart reads files again or skips lines"}
	if p, ok := n.Get(key); ok {
		is.At = p.ValueAt
	}
	if p, ok := first.Get(key); ok {
		is.Also = []Mark{{p.ValueAt, "of " + first.Name}}
	}
	return is, true
}

// CheckTimestamp reports a sink that needs a timestamp header which none of the sources and interceptors upstream may
// set.
func CheckTimestamp(sink Part, upstream []Part) (Issue, bool) {
	user, ok := sink.Settings.(TimeUser)
	if !ok {
		return Issue{}, false
	}
	key, needed := user.NeedsTimestamp()
	if !needed {
		return Issue{}, false
	}
	p, _ := sink.Node.Get(key)
	escapes := timeEscape.FindAllString(p.Value, -1)
	if len(escapes) == 0 {
		escapes = []string{"the time"} // by default
	}
	var sources []string
	for _, up := range upstream {
		if s, ok := up.Settings.(HeaderSetter); ok && s.MaySetHeader("timestamp") {
			return Issue{}, false
		}
		if up.Node.Family == "sources" && up.Node.Below == "" {
			sources = append(sources, up.Node.Name)
		}
	}
	n := sink.Node
	is := Issue{Severity: Warning, Code: codeTimestamp, Mark: Mark{At: n.place()}, Agent: n.Agent, Component: n.Label(), Property: key,
		Message: fmt.Sprintf("%s uses %s but nothing upstream of %s sets a `timestamp` header", lastPart(key), strings.Join(escapes, " "), n.Name),
		Help:    []string{fmt.Sprintf("add `%s.%suseLocalTimeStamp = true`", n.Path(), strings.TrimSuffix(key, lastPart(key)))},
		Flume:   "every event fails with a missing-timestamp error and is retried for ever"}
	if len(sources) > 0 {
		is.Help[0] += ","
		is.Help = append(is.Help, "or a timestamp interceptor on "+enumerate(sources))
	}
	if !p.ValueAt.IsZero() {
		is.At = p.ValueAt
		text := is.At.text()
		if all := timeEscape.FindAllStringIndex(text, -1); len(all) > 0 {
			is.At = p.within(text[all[0][0]:all[len(all)-1][1]])
		}
	}
	return is, true
}
