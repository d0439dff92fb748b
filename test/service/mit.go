package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// mit is MIT's key distribution centre and what belongs to it, of this machine or of Debian's packages in the cache.
type mit struct {
	dirs    []string // with the programs
	env     []string
	modules string // its databases
}

func findMIT(ctx context.Context) (mit, error) {
	m := mit{dirs: filepath.SplitList(os.Getenv("PATH"))}
	if _, err := m.program("krb5kdc"); err == nil {
		if _, err := m.program("kinit"); err == nil {
			return m, nil
		}
	}
	root, env, err := debianRoot(ctx, "krb5", "krb5-kdc", "krb5-admin-server", "krb5-user", "libkrb5-3", "libk5crypto3", "libkrb5support0",
		"libgssapi-krb5-2", "libgssrpc4", "libkdb5-10", "libkadm5srv-mit12", "libkadm5clnt-mit12", "libverto1", "libverto-libev1", "libev4")
	if err != nil {
		return m, err
	}
	databases, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu*", "krb5", "plugins", "kdb"))
	if err != nil || len(databases) != 1 {
		return m, errors.Join(err, errors.New("krb5-kdc brings no database"))
	}
	return mit{[]string{filepath.Join(root, "usr", "sbin"), filepath.Join(root, "usr", "bin")}, env, "db_module_dir = " + databases[0]}, nil
}

// program returns where the program of that name is.
func (m mit) program(name string) (string, error) {
	for _, dir := range m.dirs {
		at := filepath.Join(dir, name)
		if _, err := os.Stat(at); err == nil {
			return at, nil
		}
	}
	return "", fmt.Errorf("there is no %s", name)
}

// RequireMIT skips a test on a machine that has no MIT Kerberos and cannot fetch Debian's.
func RequireMIT(tb testing.TB) {
	tb.Helper()
	Require(tb)
	if _, err := findMIT(tb.Context()); err != nil {
		Lacks(tb, err)
	}
}

// startMIT starts MIT's centre. The tickets of flume live so long; those of the servers are of the usual kind.
func (conf Kerberos) startMIT(ctx context.Context, r *Run) (*KerberosServer, error) {
	programs, err := findMIT(ctx)
	if err != nil {
		return nil, err
	}
	work := filepath.Join(r.Dir, "kdc")
	k := &KerberosServer{mit: programs, Realm: "TEST.LOCAL", Keytab: filepath.Join(work, "all.keytab"), run: r}
	port := r.Port()
	profile, err := r.WriteFile("kdc/kdc.conf", fmt.Sprintf(`[kdcdefaults]
  kdc_listen = 127.0.0.1:%[1]d
  kdc_tcp_listen = 127.0.0.1:%[1]d
[realms]
  TEST.LOCAL = {
    database_name = %[2]s/principal
    key_stash_file = %[2]s/stash
    acl_file = %[2]s/acl
    max_life = 24h
  }
[dbmodules]
  %[3]s
[logging]
  kdc = STDERR
`, port, work, programs.modules))
	if err != nil {
		return nil, err
	}
	// Seconds for which an ended ticket is still taken, and how late a busy machine may be with the answer to a log-in.
	if k.Krb5Conf, err = r.WriteFile("conf/krb5.conf", fmt.Sprintf(krb5Conf, "clockskew = 4", port)); err != nil {
		return nil, err
	}
	k.env = append(slices.Clone(programs.env), "KRB5_CONFIG="+k.Krb5Conf, "KRB5_KDC_PROFILE="+profile)
	steps := [][]string{
		{"kdb5_util", "create", "-s", "-r", k.Realm, "-P", "masterpassword"},
		{"kadmin.local", "-q", fmt.Sprintf("addprinc -randkey -maxlife \"%d seconds\" flume", int(conf.Life/time.Second))},
		{"kadmin.local", "-q", "ktadd -k " + k.Keytab + " flume"},
	}
	for _, p := range conf.Principals {
		steps = append(steps, []string{"kadmin.local", "-q", "addprinc -randkey " + p}, []string{"kadmin.local", "-q", "ktadd -k " + k.Keytab + " " + p})
	}
	for _, argv := range steps {
		c, err := k.command(argv...)
		if err != nil {
			return nil, err
		}
		if _, err := r.Tool(ctx, c); err != nil {
			return nil, err
		}
	}
	c, err := k.command("krb5kdc", "-n")
	if err != nil {
		return nil, err
	}
	if k.Process, err = r.Start(c); err != nil {
		return nil, err
	}
	return k, awaitPort(ctx, port, k.Process)
}

// Kinit gets a ticket for flume into a ticket cache, as an operator does from outside the agent. It is for MIT's Kerberos.
func (k *KerberosServer) Kinit(ctx context.Context, cache string) error {
	c, err := k.command("kinit", "-k", "-t", k.Keytab, "flume")
	if err != nil {
		return err
	}
	c.Env = append(c.Env, "KRB5CCNAME=FILE:"+cache)
	_, err = k.run.Tool(ctx, c)
	return err
}

// command is one of MIT's programs with the centre's environment.
func (k *KerberosServer) command(argv ...string) (Command, error) {
	at, err := k.mit.program(argv[0])
	return Command{Name: argv[0], Argv: append([]string{at}, argv[1:]...), Env: slices.Clone(k.env)}, err
}
