// Package tool is `agent channel`: it looks at file channels, checks and repairs them, and takes over those of Apache
// Flume.
package tool

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"goflume/channels/file"
	"goflume/event"
	"goflume/internal/vfs"
)

// Exit codes, of sysexits.h.
const (
	ok        = 0
	usage     = 64
	cannot    = 73 // locked, not writable
	damaged   = 74
	notFound  = 66
	softError = 70
)

// Usage is what stands behind `agent channel`.
const Usage = "status|fsck|dump|repair|import DIR"

// Help tells the verbs.
const Help = `DIR is the directory of a file channel, or the one above its checkpoint and data directories.

  status DIR   what its newest checkpoint says; also of a running channel
  fsck DIR     read all that is queued and report damage; changes nothing
  dump DIR     print what is queued, one JSON object a line; changes nothing
  repair DIR   set damage aside and give up what it held, so that the rest is delivered
  import DIR   take over what Apache Flume has queued here; its files go to flume-migrated/ when all is checked

Options, before DIR:
  --checkpoint-dir DIR, --data-dirs DIR,DIR   where they are not below one directory
  --key ALIAS=FILE                            of an encrypted channel, once per key: the file that holds it
  --key-store FILE, --key-store-password FILE a JCEKS store with the keys, and the file with its password; then
                                              --key ALIAS, or --key ALIAS=FILE with the file of the key's own password
  --dry-run                                   of import: only report
  --limit N                                   of dump: the first N events
`

type call struct {
	dirs     file.Dirs
	dry      bool
	limit    int
	fsys     vfs.FS
	out, err io.Writer
}

// keys are the --key flags: alias and, where there is one, file.
type keys [][2]string

func (k *keys) String() string { return "" }

func (k *keys) Set(s string) error {
	alias, name, _ := strings.Cut(s, "=")
	*k = append(*k, [2]string{alias, name})
	return nil
}

// keySettings says in the words of a configuration where keys are.
func (c *call) keySettings(ks keys, store, password string) error {
	if len(ks) == 0 && store == "" {
		return nil
	}
	d, of := &c.dirs, ".keyFile"
	d.KeyProvider, d.Keys = "KEYFILE", map[string]string{}
	if store != "" {
		of = ".passwordFile"
		d.KeyProvider = "JCEKSFILE"
		d.Keys["keyStoreFile"], d.Keys["keyStorePasswordFile"] = store, password
		if password == "" || len(ks) == 0 {
			return errors.New("--key-store needs --key-store-password and --key")
		}
	}
	var aliases []string
	for _, k := range ks {
		if aliases = append(aliases, k[0]); k[1] != "" {
			d.Keys["keys."+k[0]+of] = k[1]
		} else if store == "" {
			return fmt.Errorf("--key %s: want ALIAS=FILE", k[0])
		}
	}
	d.Keys["keys"] = strings.Join(aliases, " ")
	return nil
}

// Run does one of the verbs and returns the process's exit code.
func Run(ctx context.Context, args []string, out, errs io.Writer) int {
	verbs := map[string]func(context.Context, *call) int{
		"status": status, "fsck": fsck, "dump": dump, "repair": repair, "import": imports,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		fmt.Fprintf(errs, "usage: agent channel %s\n\n%s", Usage, Help)
		return usage
	}
	c := &call{fsys: vfs.OS{}, out: out, err: errs}
	var k keys
	fs := flag.NewFlagSet("agent channel "+args[0], flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.Usage = func() { fmt.Fprintf(errs, "usage: agent channel %s\n\n%s", Usage, Help) }
	ckpt := fs.String("checkpoint-dir", "", "")
	data := fs.String("data-dirs", "", "")
	fs.Var(&k, "key", "")
	store := fs.String("key-store", "", "")
	password := fs.String("key-store-password", "", "")
	fs.BoolVar(&c.dry, "dry-run", false, "")
	fs.IntVar(&c.limit, "limit", 0, "")
	if err := fs.Parse(args[1:]); err != nil {
		return usage
	}
	switch {
	case *data != "" && fs.NArg() == 0:
		c.dirs = file.Dirs{Checkpoint: *ckpt, Data: strings.Split(*data, ",")}
	case fs.NArg() == 1 && *data == "" && *ckpt == "":
		var err error
		if c.dirs, err = file.FindDirs(c.fsys, fs.Arg(0)); err != nil {
			fmt.Fprintf(errs, "agent channel %s: %v\n", args[0], err)
			return notFound
		}
	default:
		fs.Usage()
		return usage
	}
	if err := c.keySettings(k, *store, *password); err != nil {
		fmt.Fprintf(errs, "agent channel %s: %v\n", args[0], err)
		return usage
	}
	return verbs[args[0]](ctx, c)
}

func (c *call) failed(verb string, err error) int {
	fmt.Fprintf(c.err, "agent channel %s: %v\n", verb, err)
	switch {
	case errors.Is(err, file.ErrCorrupt):
		return damaged
	case errors.Is(err, context.Canceled):
		return softError
	}
	return cannot
}

// log shows what the channel's own code has to say, without times.
func (c *call) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func status(_ context.Context, c *call) int {
	st, err := file.ReadStatus(c.fsys, c.dirs)
	if err != nil && st.Segments == 0 {
		return c.failed("status", err)
	}
	state := "stopped"
	switch {
	case st.Running:
		state = "running (figures as of its newest checkpoint)"
	case err != nil:
		state = "stopped, no checkpoint"
	case !st.Clean:
		state = "stopped, not in order: the next start reads the log behind the checkpoint"
	}
	fmt.Fprintf(c.out, "state        %s\ncheckpoint   %s\ndata         %s\n", state, c.dirs.Checkpoint, strings.Join(c.dirs.Data, ", "))
	if err == nil {
		fmt.Fprintf(c.out, "events       %d\nbody bytes   %d\ngeneration   %d\n", st.Events, st.Bytes, st.Generation)
	}
	fmt.Fprintf(c.out, "log files    %d\ndisk bytes   %d\nquarantined  %d\n", st.Segments, st.DiskBytes, st.Quarantine)
	if err != nil {
		return c.failed("status", err)
	}
	return ok
}

func (c *call) findings(f file.Findings) int {
	fmt.Fprintf(c.out, "events       %d\nbody bytes   %d\ntorn tails   %d (writes cut short by a crash; nothing was promised)\ndamaged      %d\nlost events  %d\n",
		f.Events, f.Bytes, f.TornTails, f.Damaged, f.Lost)
	if f.Damaged+f.Lost > 0 && !f.Repaired {
		fmt.Fprintln(c.out, "The channel delivers what is left by itself (onCorruption = quarantine); `agent channel repair` does away with the damage now.")
		return damaged
	}
	return ok
}

func fsck(ctx context.Context, c *call) int {
	f, err := file.Examine(ctx, c.fsys, c.dirs, c.log(), func(uint64, time.Time, *event.Event) error { return nil })
	if err != nil {
		return c.failed("fsck", err)
	}
	return c.findings(f)
}

func repair(ctx context.Context, c *call) int {
	f, err := file.Repair(ctx, c.fsys, c.dirs, c.log())
	if err != nil {
		return c.failed("repair", err)
	}
	return c.findings(f)
}

// line is an event as dump prints it; a body that is no UTF-8 is in base64.
type line struct {
	Seq     uint64            `json:"seq"`
	Put     time.Time         `json:"put"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    *string           `json:"body,omitempty"`
	Base64  string            `json:"base64,omitempty"`
}

var errEnough = errors.New("enough")

func dump(ctx context.Context, c *call) int {
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	n := 0
	_, err := file.Examine(ctx, c.fsys, c.dirs, c.log(), func(seq uint64, put time.Time, e *event.Event) error {
		l := line{Seq: seq, Put: put.UTC()}
		if len(e.Headers) > 0 {
			l.Headers = make(map[string]string, len(e.Headers))
			for _, h := range e.Headers {
				l.Headers[h.Key] = h.Value
			}
		}
		if body := string(e.Body); utf8.ValidString(body) {
			l.Body = &body
		} else {
			l.Base64 = base64.StdEncoding.EncodeToString(e.Body)
		}
		if err := enc.Encode(l); err != nil {
			return err
		}
		if n++; n == c.limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return c.failed("dump", err)
	}
	return ok
}

func imports(ctx context.Context, c *call) int {
	shown := time.Now()
	rep, err := file.Import(ctx, c.fsys, c.dirs, c.log(), c.dry, func(what string, done, total int64) {
		if time.Since(shown) > time.Second {
			shown = time.Now()
			fmt.Fprintf(c.err, "%s: %d of %d\n", what, done, total)
		}
	})
	for _, d := range rep.Damages {
		fmt.Fprintf(c.err, "damaged: %v\n", &d)
	}
	if err != nil {
		return c.failed("import", err)
	}
	if rep.Resumed {
		fmt.Fprintf(c.out, "An earlier import had copied everything; %d files of Flume moved to flume-migrated\n", rep.Moved)
		return ok
	}
	fmt.Fprintf(c.out, "log files    %d\nrecords      %d\nput          %d\ntaken        %d\nuncommitted  %d (Flume drops them too)\ndamaged      %d\n",
		rep.Files, rep.Records, rep.Puts, rep.Takes, rep.Open, len(rep.Damages))
	if rep.Checkpoint != "" {
		fmt.Fprintf(c.out, "checkpoint   %s\n", rep.Checkpoint)
	}
	if rep.Key != "" {
		fmt.Fprintf(c.out, "encrypted    with key %s, as the new log is\n", rep.Key)
	}
	fmt.Fprintf(c.out, "queued       %d\nbody bytes   %d\nchecksum     %08x\n", rep.Events, rep.Bytes, rep.Checksum)
	if c.dry {
		fmt.Fprintln(c.out, "Nothing was changed (--dry-run)")
	} else {
		fmt.Fprintf(c.out, "Imported and read back; %d files of Flume moved to flume-migrated\n", rep.Moved)
	}
	return ok
}
