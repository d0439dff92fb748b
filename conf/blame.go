package conf

import "strings"

// ProbeIssue is what a probe of the component came to: an error, or a note of what was found.
func ProbeIssue(n *Node, found string, err error) Issue {
	is := Issue{Severity: Note, Code: codeFound, Mark: Mark{At: n.place()}, Message: n.Label() + ": " + found, Agent: n.Agent, Component: n.Label()}
	if err != nil {
		is.Severity, is.Code, is.Message = Error, codeProbe, n.Label()+" could not work now: "+n.masked(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return is
}

// BuildIssues reports what a component's constructor found wrong with settings that each by itself could be read.
func BuildIssues(n *Node, err error) []Issue {
	var issues []Issue
	for _, ke := range keyErrors(err) {
		is := Issue{Severity: Error, Code: codeRule, Mark: Mark{At: n.place()}, Message: n.masked(ke.Text), Agent: n.Agent,
			Component: n.Label(), Property: ke.Key, Secret: SecretKey(ke.Key)}
		if ke.Key != "" {
			is.Message = ke.Key + ": " + is.Message
		}
		if p, ok := n.Get(ke.Key); ok {
			is.At = p.ValueAt
		}
		if ke.Help != "" {
			is.Help = []string{n.masked(ke.Help)}
		}
		issues = append(issues, is)
	}
	return issues
}
