package conf

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// jsonIssue is an issue for programs. Lines and columns are 0 where there is no place.
type jsonIssue struct {
	Severity  string `json:"severity"`
	Code      string `json:"code"`
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	EndColumn int    `json:"endColumn"`
	Message   string `json:"message"`
	Help      string `json:"help"`
	Flume     string `json:"flume"`
	Agent     string `json:"agent,omitempty"`
	Component string `json:"component,omitempty"`
	Property  string `json:"property,omitempty"`
}

// WriteJSON writes the issues as one array, an object each.
func WriteJSON(w io.Writer, issues []Issue) error {
	all := make([]jsonIssue, len(issues))
	for i, is := range issues {
		all[i] = jsonIssue{Severity: is.Severity.String(), Code: is.Code, Line: is.At.Line, Column: is.At.Column,
			EndColumn: is.At.EndColumn, Message: is.Message, Help: strings.Join(is.Help, " "), Flume: is.Flume,
			Agent: is.Agent, Component: is.Component, Property: is.Property}
		if is.At.File != nil {
			all[i].File = is.At.File.Name
		}
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(all)
}

// WriteGitHub writes the issues as commands of GitHub's workflows, which show them beside the lines of a change.
func WriteGitHub(w io.Writer, issues []Issue) error {
	value := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, is := range issues {
		command := [...]string{"error", "warning", "notice"}[is.Severity]
		where := ""
		if is.At.File != nil {
			where = fmt.Sprintf("file=%s,line=%d,col=%d,endColumn=%d,", property.Replace(is.At.File.Name), is.At.Line, is.At.Column, is.At.EndColumn)
		}
		text := Clean(is.Message)
		if len(is.Help) > 0 {
			text += "\nhelp: " + Clean(strings.Join(is.Help, " "))
		}
		if _, err := fmt.Fprintf(w, "::%s %stitle=%s::%s\n", command, where, is.Code, value.Replace(text)); err != nil {
			return err
		}
	}
	return nil
}

// Count says how many errors, warnings and notes there are, such as "5 errors, 3 warnings, 1 note"; empty for none.
func Count(issues []Issue) string {
	var n [3]int
	for _, is := range issues {
		n[is.Severity]++
	}
	var parts []string
	for s, count := range n {
		if count > 0 {
			parts = append(parts, plenty(count, Severity(s).String()))
		}
	}
	return strings.Join(parts, ", ")
}

func plenty(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// WriteSummary writes what a configuration with errors comes to: how many there are, and which components Flume would
// leave out for them and run without.
func WriteSummary(w io.Writer, s *Set, issues []Issue) error {
	if len(issues) == 0 {
		return nil
	}
	line := Count(issues)
	if s == nil {
		_, err := fmt.Fprintln(w, line)
		return err
	}
	var files, names []string
	for _, f := range s.Files {
		files = append(files, f.Name)
	}
	line = strings.Join(files, ", ") + ": " + line
	for _, a := range s.Agents {
		if slices.ContainsFunc(issues, func(is Issue) bool { return is.Agent == a.Name }) {
			names = append(names, a.Name)
		}
	}
	switch len(names) {
	case 0:
	case 1:
		line += " in agent " + names[0]
	default:
		line += " in agents " + enumerate(names)
	}
	var removed []string
	starts := false
	for _, a := range s.Agents {
		gone, cut, left := a.without(issues)
		starts = starts || len(left) > 0
		if len(gone) == 0 {
			continue
		}
		if n := len(gone) - 20; n > 0 {
			gone = append(gone[:20], fmt.Sprintf("%d more", n))
		}
		text := strings.Join(gone, ", ")
		if len(cut) > 0 {
			text += " → " + enumerate(cut) + map[bool]string{true: " has", false: " have"}[len(cut) == 1] + " no channel"
		}
		if removed = append(removed, text); len(removed) == 20 {
			break
		}
	}
	if HasErrors(issues) && !starts {
		line += "; nothing would start"
	}
	lines := []string{line}
	for _, text := range removed {
		lines = append(lines, "  removed: "+text)
	}
	lines = append(lines, "  more on a code: agent explain "+issues[0].Code)
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, Clean(line)); err != nil {
			return err
		}
	}
	return nil
}

// without tells what Flume would leave out of the agent for the errors: gone are the broken components with their codes,
// cut are sources and sinks whose channel is gone, left are those that run.
func (a *Agent) without(issues []Issue) (gone, cut, left []string) {
	var labels []string
	codes := map[string][]string{}
	for _, is := range issues {
		if is.Severity != Error || is.Agent != a.Name {
			continue
		}
		for _, label := range append(slices.Clone(is.removes), is.Component) {
			if label == "" {
				continue
			}
			if codes[label] == nil {
				labels = append(labels, label)
			}
			if !slices.Contains(codes[label], is.Code) {
				codes[label] = append(codes[label], is.Code)
			}
		}
	}
	for _, label := range labels {
		gone = append(gone, fmt.Sprintf("%s (%s)", lastWord(label), strings.Join(codes[label], ", ")))
	}
	for _, n := range slices.Concat(a.Sources, a.Sinks) {
		if codes[n.Label()] != nil {
			continue
		}
		runs := slices.ContainsFunc(append(n.Items("channels"), n.Items("channel")...), func(i Item) bool {
			return a.Channel(i.Name) != nil && codes["channel "+i.Name] == nil
		})
		if runs {
			left = append(left, n.Name)
		} else {
			cut = append(cut, n.Name)
		}
	}
	return gone, cut, left
}
