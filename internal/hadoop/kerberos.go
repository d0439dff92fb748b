package hadoop

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/colinmarc/hdfs/v2"
	"github.com/colinmarc/hdfs/v2/hadoopconf"
	krb "github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"

	"goflume/internal/machine"
)

// login gives a session its Kerberos credentials, where the cluster wants them. A keytab's ticket is renewed by the
// Kerberos library; a ticket cache is read again for every session, so that kinit renews it.
type login struct {
	wanted            bool
	principal, keytab string
	proxied           string // the user on whose behalf the principal acts, if any

	mu     *sync.Mutex
	client *krb.Client // of the keytab
	name   string      // of who is logged in
}

func newLogin(o Options, c *hdfs.ClientOptions) (login, error) {
	l := login{wanted: c.KerberosClient != nil || o.Principal != "", principal: o.Principal, keytab: o.Keytab, mu: new(sync.Mutex)}
	c.KerberosClient = nil
	if !l.wanted {
		return l, nil
	}
	switch {
	case l.principal != "" && l.keytab == "":
		return l, errors.New("a Kerberos principal is given, but no keytab")
	case c.KerberosServicePrincipleName == "":
		return l, errors.New("Kerberos is wanted, but dfs.namenode.kerberos.principal is missing in hdfs-site.xml")
	}
	l.proxied = o.User
	return l, nil
}

// user returns who acts, for the home directory.
func (l *login) user(simple string) string {
	if l.proxied != "" {
		return l.proxied
	}
	if name := l.who(); name != "" {
		return name
	}
	return simple
}

// who has logged in, empty without Kerberos.
func (l *login) who() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.name
}

// refresh sets the credentials in o. What it returns ends those that are for one session alone.
func (l *login) refresh(o *hdfs.ClientOptions) (end func(), err error) {
	end = func() {}
	if !l.wanted {
		return end, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil {
		o.KerberosClient = l.client
		return end, nil
	}
	conf, err := krb5Conf()
	if err != nil {
		return end, err
	}
	if l.principal == "" {
		cache, err := ticketCache()
		if err != nil {
			return end, err
		}
		c, err := krb.NewFromCCache(cache, conf, krb.DisablePAFXFAST(true))
		if err != nil {
			return end, fmt.Errorf("using the ticket cache: %w", err)
		}
		o.KerberosClient = c
		l.name, _, _ = strings.Cut(c.Credentials.UserName(), "/")
		return c.Destroy, nil
	}
	keys, err := keytab.Load(l.keytab)
	if err != nil {
		return end, fmt.Errorf("reading keytab %s: %w", l.keytab, err)
	}
	name, realm, err := l.split(conf)
	if err != nil {
		return end, err
	}
	c := krb.NewWithKeytab(name, realm, keys, conf, krb.DisablePAFXFAST(true))
	if err := c.Login(); err != nil {
		c.Destroy()
		return end, fmt.Errorf("logging in as %s@%s with keytab %s: %w", name, realm, l.keytab, err)
	}
	l.client, o.KerberosClient = c, c
	l.name, _, _ = strings.Cut(name, "/")
	return end, nil
}

// split cuts user/host@REALM; _HOST is this machine's full name, the realm may be left out.
func (l *login) split(conf *config.Config) (name, realm string, err error) {
	name, realm, _ = strings.Cut(l.principal, "@")
	if realm == "" {
		realm = conf.LibDefaults.DefaultRealm
	}
	if strings.HasSuffix(name, "/_HOST") {
		host, err := machine.Name(machine.Full)
		if err != nil {
			return "", "", err
		}
		name = strings.TrimSuffix(name, "_HOST") + strings.ToLower(host)
	}
	return name, realm, nil
}

func (l *login) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil {
		l.client.Destroy()
		l.client = nil
	}
}

func krb5Conf() (*config.Config, error) {
	file := os.Getenv("KRB5_CONFIG")
	if file == "" {
		file = "/etc/krb5.conf"
	}
	conf, err := config.Load(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s, or another file named by KRB5_CONFIG: %w", file, err)
	}
	return conf, nil
}

func ticketCache() (*credentials.CCache, error) {
	file := os.Getenv("KRB5CCNAME")
	if file == "" {
		file = "/tmp/krb5cc_" + strconv.Itoa(os.Getuid())
	}
	kind, path, ok := strings.Cut(file, ":")
	switch {
	case !ok:
		path = file
	case !strings.EqualFold(kind, "FILE"):
		return nil, fmt.Errorf("KRB5CCNAME = %s: only ticket caches in files can be read", file)
	}
	cache, err := credentials.LoadCCache(path)
	if err != nil {
		return nil, fmt.Errorf("reading the ticket cache %s, which kinit makes: %w", path, err)
	}
	for _, ticket := range cache.GetEntries() {
		if ticket.EndTime.After(time.Now()) {
			return cache, nil
		}
	}
	return nil, fmt.Errorf("the tickets in the cache %s have expired: run kinit", path)
}

// hadoopConf gives the library the properties it looks at.
func hadoopConf(c Conf) hadoopconf.HadoopConf {
	h := hadoopconf.HadoopConf{}
	for name := range c {
		h[name] = c.Get(name)
	}
	return h
}
