package service

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Elasticsearch is one node of Elasticsearch 8.19, the distribution that its makers test with: bulk requests, index
// templates, data streams, TLS, users and roles; no ingest processors and no API keys. GET / answers 405.
type Elasticsearch struct {
	// Secure serves HTTPS and wants a user: agent, agent-secret, who may do all.
	Secure bool
	// Settings are added to elasticsearch.yml.
	Settings map[string]string
	// Users are added to the file realm: name to bcrypt hash.
	Users map[string]string
	// UsersRoles are lines of users_roles, "writer:bob".
	UsersRoles []string
	// Roles is the text of roles.yml.
	Roles string
}

var _ Config[*SearchServer] = Elasticsearch{}

// Name is elasticsearch.
func (Elasticsearch) Name() string { return "elasticsearch" }

// Needs is the distribution.
func (Elasticsearch) Needs() []Set { return []Set{"elasticsearch"} }

// agentHash is the bcrypt hash of agent-secret.
const agentHash = "$2a$10$63V0U.oybBL3mAsEWaUk3es59KDKoQt7e20sh584IUO6OKKcOzCyW"

const elasticLog4j = `status = error
appender.c.type = Console
appender.c.name = C
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = %d{ISO8601} %-5p %c{1.}: %m%n
rootLogger.level = info
rootLogger.appenderRef.c.ref = C
`

// Start starts the node and waits until its cluster is green or yellow.
func (c Elasticsearch) Start(ctx context.Context, r *Run) (*SearchServer, error) {
	port := r.Port()
	s := &SearchServer{URL: "http://127.0.0.1:" + strconv.Itoa(port)}
	settings := nodeSettings(r, port, c.Settings)
	settings["path.data"] = filepath.Join(r.Dir, "data")
	settings["path.logs"] = filepath.Join(r.Dir, "logs")
	settings["xpack.security.enabled"] = strconv.FormatBool(c.Secure)
	if c.Secure {
		certs, err := r.certificates()
		if err != nil {
			return nil, err
		}
		s.URL = "https://127.0.0.1:" + strconv.Itoa(port)
		s.User, s.Password, s.Certs = "agent", "agent-secret", certs
		settings["xpack.security.enrollment.enabled"] = "false"
		settings["xpack.security.http.ssl.enabled"] = "true"
		settings["xpack.security.http.ssl.key"] = filepath.Base(certs.ServerKey)
		settings["xpack.security.http.ssl.certificate"] = filepath.Base(certs.ServerCert)
	}
	if err := c.configure(r, settings); err != nil {
		return nil, err
	}
	home, err := Set("elasticsearch").unpacked("elasticsearch-*")
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{home, r.Dir} {
		if strings.HasPrefix(dir, "/tmp/") {
			return nil, fmt.Errorf("elasticsearch refuses to run from %s, as from anywhere below /tmp: set GOFLUME_CACHE and TMPDIR to other places", dir)
		}
	}
	java, err := javaHome()
	if err != nil {
		return nil, err
	}
	s.Process, err = r.Start(Command{
		Name: "elasticsearch",
		Argv: []string{filepath.Join(home, "bin", "elasticsearch")},
		Env: []string{"ES_PATH_CONF=" + filepath.Join(r.Dir, "conf"), "ES_JAVA_HOME=" + java,
			"ES_TMPDIR=" + filepath.Join(r.Dir, "tmp"), "CLI_JAVA_OPTS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"},
		NotRoot: true,
	})
	if err != nil {
		return nil, err
	}
	return s, s.AwaitReady(ctx)
}

func (c Elasticsearch) configure(r *Run, settings map[string]string) error {
	var yml, users strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&yml, "%s: %s\n", key, strconv.Quote(settings[key]))
	}
	all := map[string]string{"agent": agentHash}
	maps.Copy(all, c.Users)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&users, "%s:%s\n", name, all[name])
	}
	for name, text := range map[string]string{
		"elasticsearch.yml": yml.String(),
		"log4j2.properties": elasticLog4j,
		"jvm.options":       "-Xms512m\n-Xmx512m\n-XX:+UseSerialGC\n-XX:TieredStopAtLevel=1\n",
		"users":             users.String(),
		"users_roles":       strings.Join(append([]string{"superuser:agent"}, c.UsersRoles...), "\n") + "\n",
		"roles.yml":         c.Roles,
	} {
		if _, err := r.WriteFile(filepath.Join("conf", name), text); err != nil {
			return err
		}
	}
	return nil
}
