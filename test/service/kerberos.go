package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Kerberos is a key distribution centre (Apache Kerby, or MIT's) for the realm TEST.LOCAL, over TCP.
type Kerberos struct {
	// Principals are made with random keys, all in one keytab, besides flume.
	Principals []string
	// Life, if set, is how long flume's tickets live, to the second. The centre is MIT's then: see RequireMIT.
	Life time.Duration
}

// KerberosServer is a running Kerberos.
type KerberosServer struct {
	*Process
	Realm    string
	Krb5Conf string // file
	Keytab   string // file, with flume and the other principals

	run *Run
	mit mit
	env []string // of MIT's tools
}

// krb5Conf has a line of its own and the centre's port to be filled in.
const krb5Conf = `[libdefaults]
  %s
  default_realm = TEST.LOCAL
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  TEST.LOCAL = {
    kdc = 127.0.0.1:%d
  }
[domain_realm]
  localhost = TEST.LOCAL
`

var _ Config[*KerberosServer] = Kerberos{}

// Name is kerberos.
func (Kerberos) Name() string { return "kerberos" }

// Needs is Kerby with Hadoop's program around it, where it is Kerby.
func (c Kerberos) Needs() []Set {
	if c.Life > 0 {
		return nil
	}
	return []Set{"kerberos"}
}

// Start starts the centre, makes the principals and waits until their keys are there.
func (c Kerberos) Start(ctx context.Context, r *Run) (*KerberosServer, error) {
	if c.Life > 0 {
		return c.startMIT(ctx, r)
	}
	port := r.Port()
	work := filepath.Join(r.Dir, "kdc")
	k := &KerberosServer{Realm: "TEST.LOCAL", Keytab: filepath.Join(work, "all.keytab")}
	properties, err := r.WriteFile("kdc/kdc.properties", fmt.Sprintf(
		"org.name=TEST\norg.domain=LOCAL\nkdc.bind.address=127.0.0.1\nkdc.port=%d\ninstance=test\ntransport=TCP\n", port))
	if err != nil {
		return nil, err
	}
	if k.Krb5Conf, err = r.WriteFile("conf/krb5.conf", fmt.Sprintf(krb5Conf, "", port)); err != nil {
		return nil, err
	}
	argv, err := r.java("kerberos", 128, "org.apache.hadoop.minikdc.MiniKdc",
		append([]string{work, properties, k.Keytab, "flume"}, c.Principals...)...)
	if err != nil {
		return nil, err
	}
	if k.Process, err = r.Start(Command{Name: "kdc", Argv: argv}); err != nil {
		return nil, err
	}
	return k, Await(ctx, "the keytab", func(ctx context.Context) error {
		if _, err := os.Stat(k.Keytab); err != nil {
			return err
		}
		log, err := os.ReadFile(k.Log())
		if err == nil && !strings.Contains(string(log), "created keytab") {
			err = errors.New("it is being written")
		}
		return err
	}, k.Process)
}

// secureHDFS is what makes an HDFS ask for Kerberos tickets, in core-site.xml and hdfs-site.xml.
func secureHDFS(k *KerberosServer, protection string) (core, site map[string]string) {
	core = map[string]string{
		"hadoop.user.group.static.mapping.overrides": "flume=root", // the superuser's group
		"hadoop.security.authentication":             "kerberos",
		"hadoop.security.authorization":              "true",
		"hadoop.security.auth_to_local":              "RULE:[2:$1](nn|dn)s/.*/" + User() + "/\nRULE:[1:$1](.*)\nDEFAULT",
		"hadoop.rpc.protection":                      "authentication,integrity,privacy",
	}
	site = map[string]string{
		"dfs.block.access.token.enable": "true",
		"dfs.data.transfer.protection":  protection,
		// The datanodes' ports are not privileged ones, and their pages are plain HTTP.
		"ignore.secure.ports.for.testing":                 "true",
		"dfs.namenode.kerberos.internal.spnego.principal": "HTTP/localhost@" + k.Realm,
		"dfs.web.authentication.kerberos.principal":       "HTTP/localhost@" + k.Realm,
		"dfs.web.authentication.kerberos.keytab":          k.Keytab,
	}
	for role, name := range map[string]string{"namenode": "nn", "datanode": "dn"} {
		site["dfs."+role+".kerberos.principal"] = name + "/localhost@" + k.Realm
		site["dfs."+role+".keytab.file"] = k.Keytab
	}
	return core, site
}
