package agent

import (
	"fmt"
	"slices"
	"strings"

	"goflume/conf"
)

// Lines draws the flow, a line for each channel with what feeds and what drains it:
//
//	r1 netcat 127.0.0.1:44444 ──▶ c1 memory 1000/100 ──▶ k1 logger
//
// addresses gives where a source listens now, nil where that is not known yet.
func (p *Plan) Lines(addresses func(source string) []string) []string {
	var lines []string
	for _, ch := range p.Channels {
		var from, to []string
		for _, s := range p.Sources {
			if !slices.Contains(s.Channels, ch.Node.Name) {
				continue
			}
			text := Summary(s.Node.Name, s.Entry.Name, s.Settings)
			if addresses != nil {
				if at := addresses(s.Node.Name); len(at) > 0 {
					text = s.Node.Name + " " + s.Entry.Name + " " + strings.Join(at, " ")
				}
			}
			from = append(from, text)
		}
		for _, g := range p.Groups {
			for _, k := range g.Sinks {
				if k.Channel == ch.Node.Name {
					to = append(to, Summary(k.Node.Name, k.Entry.Name, k.Settings))
				}
			}
		}
		parts := []string{strings.Join(from, ", "), Summary(ch.Node.Name, ch.Entry.Name, ch.Settings), strings.Join(to, ", ")}
		lines = append(lines, strings.Trim(strings.Join(parts, " ──▶ "), " ─▶"))
	}
	return lines
}

// telling are the settings that say most of a component in a few words, each a pattern of keys; the first whose keys the
// component all has is taken.
var telling = [][]string{
	{"bind", ":", "port"}, {"host", ":", "port"}, {"hostname", ":", "port"},
	{"capacity", "/", "transactionCapacity"},
	{"hdfs.path"}, {"sink.directory"}, {"spoolDir"}, {"command"}, {"kafka.topic"}, {"kafka.topics"}, {"hostNames"}, {"endpoint"},
}

// Summary is a component's name, type and most telling settings.
func Summary(name, typ string, settings any) string {
	text := name + " " + typ
	if settings == nil {
		return text
	}
	values := map[string]string{}
	for _, f := range conf.Fields(settings) {
		if !f.Secret {
			values[f.Key] = f.Default
		}
	}
	for _, pattern := range telling {
		var b strings.Builder
		for i, part := range pattern {
			v, ok := part, true
			if i%2 == 0 {
				if v, ok = values[part]; !ok || v == "" {
					b.Reset()
					break
				}
			}
			b.WriteString(v)
		}
		if b.Len() > 0 {
			return text + " " + short(b.String())
		}
	}
	return text
}

// short cuts a text that would fill the line.
func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// Size says how many components there are, such as "1 source, 1 channel, 2 sinks".
func (p *Plan) Size() string {
	sinks := 0
	for _, g := range p.Groups {
		sinks += len(g.Sinks)
	}
	many := func(n int, word string) string {
		if n == 1 {
			return "1 " + word
		}
		return fmt.Sprintf("%d %ss", n, word)
	}
	return many(len(p.Sources), "source") + ", " + many(len(p.Channels), "channel") + ", " + many(sinks, "sink")
}
