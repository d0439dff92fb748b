// Command services installs and starts the real servers that tests run against.
//
//	services check             says what is missing on this machine
//	services install [SET...]  fetches jars into the cache: those named, or all
//	services start NAME        starts a server, prints where it is, ends it on Ctrl-C
//	services test [FLAG...]    checks, then runs every test that uses real servers, with flags of go test
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"goflume/test/service"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	switch verb {
	case "check":
		return service.Check(service.Sets()...)
	case "install":
		return install(ctx, args)
	case "start":
		return start(ctx, args)
	case "test":
		return test(ctx, args)
	}
	return errors.New("usage: services check | install [SET...] | start NAME | test [FLAG...]")
}

func install(ctx context.Context, names []string) error {
	all := service.Sets()
	sets := all
	if len(names) > 0 {
		sets = nil
		for _, name := range names {
			if !slices.Contains(all, service.Set(name)) {
				return fmt.Errorf("no set %s; there are %v", name, all)
			}
			sets = append(sets, service.Set(name))
		}
	}
	if err := service.Check(sets...); err != nil {
		return err
	}
	for _, s := range sets {
		if err := s.Install(ctx); err != nil {
			return err
		}
	}
	return nil
}

// starters start a server of each kind and return what a user needs to know.
var starters = map[string]func(context.Context) (string, *service.Run, error){
	"hdfs": starter(service.HDFS{Datanodes: 3}, func(h *service.HDFSServer) string {
		return fmt.Sprintf("%s\nHADOOP_CONF_DIR=%s", h.URL(), h.ConfDir())
	}),
	"hdfs-kerberos": starter(service.HDFS{Kerberos: "authentication"}, func(h *service.HDFSServer) string {
		return fmt.Sprintf("%s\nHADOOP_CONF_DIR=%s\nuser flume@%s, keytab %s\nKRB5_CONFIG=%s",
			h.URL(), h.ConfDir(), h.Kerberos.Realm, h.Kerberos.Keytab, h.Kerberos.Krb5Conf)
	}),
	"hdfs-ha": starter(service.HDFSHA{}, func(h *service.HDFSHAServer) string {
		return fmt.Sprintf("%s at %v\nHADOOP_CONF_DIR=%s", h.URL(), h.Addrs(), h.ConfDir())
	}),
	"kafka": starter(service.Kafka{Secure: true}, func(k *service.KafkaCluster) string {
		return fmt.Sprintf("plain %v, SASL %v, TLS %v, both %v, mutual TLS %v\nauthority %s",
			k.Addrs(), k.SASLAddrs(), k.TLSAddrs(), k.SASLTLSAddrs(), k.MutualTLSAddrs(), k.Certs.CA)
	}),
	"hbase": starter(service.HBase{}, func(h *service.HBaseServer) string {
		return fmt.Sprintf("zookeeper %s\nHBASE_CONF_DIR=%s", h.ZooKeeperAddr(), h.ConfDir())
	}),
	"hive": starter(service.Hive{}, func(h *service.HiveServer) string {
		return fmt.Sprintf("metastore %s, HiveServer2 %s (NOSASL)", h.MetastoreAddr(), h.Addr())
	}),
	"opensearch":    starter(service.OpenSearch{}, whereSearch),
	"elasticsearch": starter(service.Elasticsearch{Secure: true}, whereSearch),
	"zookeeper":     starter(service.ZooKeeper{}, (*service.ZooKeeperServer).Addr),
}

func whereSearch(s *service.SearchServer) string {
	return fmt.Sprintf("%s user %q password %q authority %s", s.URL, s.User, s.Password, s.Certs.CA)
}

func starter[T any](c service.Config[T], where func(T) string) func(context.Context) (string, *service.Run, error) {
	return func(ctx context.Context) (string, *service.Run, error) {
		server, r, err := service.Launch(ctx, c)
		if err != nil {
			return "", nil, err
		}
		return where(server), r, nil
	}
}

func start(ctx context.Context, names []string) error {
	if len(names) != 1 || starters[names[0]] == nil {
		var known []string
		for name := range starters {
			known = append(known, name)
		}
		slices.Sort(known)
		return fmt.Errorf("start wants one of %s", strings.Join(known, ", "))
	}
	where, r, err := starters[names[0]](ctx)
	if err != nil {
		return err
	}
	defer r.End(false)
	fmt.Printf("%s\nlogs: %s/logs\nCtrl-C ends it\n", where, r.Dir)
	<-ctx.Done()
	return nil
}

// test runs the packages that import package service, one at a time: servers are big.
func test(ctx context.Context, flags []string) error {
	if err := service.Check(service.Sets()...); err != nil {
		return err
	}
	const users = `{{range .TestImports}}{{if eq . "goflume/test/service"}}{{$.ImportPath}}{{end}}{{end}}` + "\n" +
		`{{range .XTestImports}}{{if eq . "goflume/test/service"}}{{$.ImportPath}}{{end}}{{end}}`
	list := exec.CommandContext(ctx, "go", "list", "-f", users, "./...")
	var out bytes.Buffer
	list.Stdout, list.Stderr = &out, os.Stderr
	if err := list.Run(); err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	packages := strings.Fields(out.String())
	slices.Sort(packages)
	packages = slices.Compact(packages)
	args := append([]string{"test", "-count=1", "-p=1", "-timeout=30m", "-run=^TestReal"}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, packages...)...)
	skipped := filepath.Join(os.TempDir(), fmt.Sprintf("goflume-skipped-%d", os.Getpid()))
	defer os.Remove(skipped)
	cmd.Env = append(os.Environ(), "GOFLUME_REAL=require", service.SkippedEnv+"="+skipped)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	ran := cmd.Run()
	if list, err := os.ReadFile(skipped); err == nil {
		fmt.Printf("NOT RUN, as this machine lacks what they need:\n%s", list)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(ran, err)
	}
	return ran
}
