package service

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// mitTools are MIT's key distribution centre and what belongs to it. Debian has them in krb5-kdc, krb5-admin-server and
// krb5-user.
var mitTools = []string{"krb5kdc", "kdb5_util", "kadmin.local", "kinit"}

// RequireMIT skips, or fails, a test on a machine that lacks MIT's Kerberos.
func RequireMIT(tb testing.TB) {
	tb.Helper()
	require(tb, nil)
	for _, tool := range mitTools {
		if _, err := exec.LookPath(tool); err != nil {
			if requiring() {
				tb.Fatalf("%v: install MIT's Kerberos (Debian: krb5-kdc, krb5-admin-server, krb5-user)", err)
			}
			say("SKIPPED %s: %v", tb.Name(), err)
			tb.Skip(err)
		}
	}
}

// startMIT starts MIT's centre. The tickets of flume live so long; those of the servers are of the usual kind.
func (c Kerberos) startMIT(ctx context.Context, r *Run) (*KerberosServer, error) {
	work := filepath.Join(r.Dir, "kdc")
	k := &KerberosServer{Realm: "TEST.LOCAL", Keytab: filepath.Join(work, "all.keytab"), run: r}
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
[logging]
  kdc = STDERR
`, port, work))
	if err != nil {
		return nil, err
	}
	if k.Krb5Conf, err = r.WriteFile("conf/krb5.conf", fmt.Sprintf(krb5Conf, "clockskew = 1", port)); err != nil {
		return nil, err
	}
	k.env = []string{"KRB5_CONFIG=" + k.Krb5Conf, "KRB5_KDC_PROFILE=" + profile}
	steps := [][]string{
		{"kdb5_util", "create", "-s", "-r", k.Realm, "-P", "masterpassword"},
		{"kadmin.local", "-q", fmt.Sprintf("addprinc -randkey -maxlife \"%d seconds\" flume", int(c.Life/time.Second))},
		{"kadmin.local", "-q", "ktadd -k " + k.Keytab + " flume"},
	}
	for _, p := range c.Principals {
		steps = append(steps, []string{"kadmin.local", "-q", "addprinc -randkey " + p}, []string{"kadmin.local", "-q", "ktadd -k " + k.Keytab + " " + p})
	}
	for _, argv := range steps {
		if _, err := r.Tool(ctx, Command{Name: argv[0], Argv: argv, Env: k.env}); err != nil {
			return nil, err
		}
	}
	if k.Process, err = r.Start(Command{Name: "kdc", Argv: []string{"krb5kdc", "-n"}, Env: k.env}); err != nil {
		return nil, err
	}
	return k, awaitPort(ctx, port, k.Process)
}

// Kinit gets a ticket for flume into a ticket cache, as an operator does from outside the agent. It is for MIT's Kerberos.
func (k *KerberosServer) Kinit(ctx context.Context, cache string) error {
	_, err := k.run.Tool(ctx, Command{Name: "kinit", Env: append(k.env, "KRB5CCNAME=FILE:"+cache),
		Argv: []string{"kinit", "-k", "-t", k.Keytab, "flume"}})
	return err
}
