package docgen

import (
	"fmt"
	"io"
	"strings"
)

// WritePage writes the reference page of a family in Markdown.
func WritePage(w io.Writer, f Family) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nGenerated from the source by `make docs`. `agent list %s TYPE` prints the same on a terminal.\n", title(f.Name), f.Name)
	for _, t := range f.Types {
		fmt.Fprintf(&b, "\n## %s\n", t.Name)
		if t.Refused != "" {
			fmt.Fprintf(&b, "\nNot in this agent: %s\n", t.Refused)
			continue
		}
		if t.About != "" {
			fmt.Fprintf(&b, "\n%s\n", t.About)
		}
		if len(t.Aliases) > 0 {
			fmt.Fprintf(&b, "\nAlso written `%s`.\n", strings.Join(t.Aliases, "`, `"))
		}
		if len(t.Fields) == 0 {
			continue
		}
		b.WriteString("\n| property | default | values | |\n|---|---|---|---|\n")
		for _, s := range t.Fields {
			def := "`" + s.Default + "`"
			switch {
			case s.Required:
				def = "required"
			case s.Default == "":
				def = "–"
			}
			about := s.About
			if len(s.Was) > 0 {
				about += fmt.Sprintf(" Deprecated names: `%s`.", strings.Join(s.Was, "`, `"))
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key, cell(def), cell(s.Allowed()), cell(about))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// cell makes text fit into a table's cell.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n\n", "<br>", "\n", " ").Replace(strings.TrimSpace(s))
}
