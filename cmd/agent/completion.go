package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/pflag"
)

var completionVerb = verb{name: "completion", usage: "bash|zsh|fish", does: "print a script that completes commands and options in a shell",
	more: "  source <(agent completion bash)\n  agent completion zsh > \"${fpath[1]}/_agent\"\n  agent completion fish > ~/.config/fish/completions/agent.fish\n",
	run: func(o *options, std streams) int {
		shell := strings.Join(o.args, " ")
		script, ok := map[string]func(string, []string, []string) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[shell]
		if !ok {
			fmt.Fprintf(std.err, "agent completion: no shell %q: bash, zsh or fish\n", shell)
			return exitUsage
		}
		var names []string
		flags := map[string]bool{}
		for _, v := range verbs {
			if v.does == "" {
				continue
			}
			names = append(names, v.name)
			(&options{}).flagsOf(v.name).VisitAll(func(f *pflag.Flag) { flags["--"+f.Name] = true })
		}
		var long []string
		for f := range flags {
			long = append(long, f)
		}
		sort.Strings(long)
		fmt.Fprint(std.out, script(programName(os.Args[0]), names, long))
		return exitOK
	}}

func bashCompletion(program string, verbs, flags []string) string {
	return fmt.Sprintf(`_%[1]s() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  case $cur in
    -*) COMPREPLY=($(compgen -W '%[2]s' -- "$cur")) ;;
    *) if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W '%[3]s' -- "$cur")); else COMPREPLY=($(compgen -f -- "$cur")); fi ;;
  esac
}
complete -o filenames -F _%[1]s %[1]s
`, program, strings.Join(flags, " "), strings.Join(verbs, " "))
}

func zshCompletion(program string, verbs, flags []string) string {
	return fmt.Sprintf(`#compdef %s
if [[ $words[CURRENT] == -* ]]; then
  compadd -- %s
elif (( CURRENT == 2 )); then
  compadd -- %s
else
  _files
fi
`, program, strings.Join(flags, " "), strings.Join(verbs, " "))
}

func fishCompletion(program string, verbs, flags []string) string {
	var b strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&b, "complete -c %s -n __fish_use_subcommand -a %s\n", program, v)
	}
	for _, f := range flags {
		fmt.Fprintf(&b, "complete -c %s -l %s\n", program, strings.TrimPrefix(f, "--"))
	}
	return b.String()
}
