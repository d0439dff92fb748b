package hadoop

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Conf holds the properties of core-site.xml and hdfs-site.xml.
type Conf map[string]string

// ConfDirs returns where Hadoop's files are looked for, the first one first: what HADOOP_CONF_DIR and HADOOP_HOME name.
func ConfDirs() []string {
	var dirs []string
	add := func(dir string) {
		if dir != "" {
			dirs = append(dirs, dir)
		}
	}
	add(os.Getenv("HADOOP_CONF_DIR"))
	for _, home := range []string{os.Getenv("HADOOP_HOME"), os.Getenv("HADOOP_PREFIX")} {
		if home != "" {
			add(filepath.Join(home, "etc", "hadoop"))
			add(filepath.Join(home, "conf"))
		}
	}
	return dirs
}

// LoadConf reads core-site.xml and hdfs-site.xml, each from the first of the directories that has it, as a class path
// would find them. None at all is an empty Conf.
func LoadConf(dirs []string) (Conf, error) {
	c := Conf{}
	for _, name := range []string{"core-site.xml", "hdfs-site.xml"} {
		for _, dir := range dirs {
			file := filepath.Join(dir, name)
			text, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if err := c.add(text); err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			break
		}
	}
	return c, nil
}

// add reads one file. Of a property that stands twice the later counts, unless the earlier is final.
func (c Conf) add(text []byte) error {
	var list struct {
		XMLName  xml.Name `xml:"configuration"`
		Property []struct {
			Name  string `xml:"name"`
			Value string `xml:"value"`
			Final string `xml:"final"`
		} `xml:"property"`
	}
	if err := xml.Unmarshal(text, &list); err != nil {
		return err
	}
	final := map[string]bool{}
	for _, p := range list.Property {
		name := strings.TrimSpace(p.Name)
		if name == "" || final[name] {
			continue
		}
		c[name] = strings.TrimSpace(p.Value)
		final[name] = strings.TrimSpace(p.Final) == "true"
	}
	return nil
}

var variable = regexp.MustCompile(`\$\{[^}$]+\}`)

// Get returns the property's value with ${other.property}, ${env.NAME} and ${user.name} filled in; empty if there is none.
func (c Conf) Get(name string) string {
	v := c[name]
	for range 20 { // as deep as Hadoop goes
		next := variable.ReplaceAllStringFunc(v, func(m string) string {
			key := m[2 : len(m)-1]
			if other, ok := c[key]; ok {
				return other
			}
			if env, ok := strings.CutPrefix(key, "env."); ok {
				env, otherwise, _ := strings.Cut(env, ":-")
				if s := os.Getenv(env); s != "" {
					return s
				}
				return otherwise
			}
			if key == "user.name" {
				return osUser()
			}
			return m
		})
		if next == v {
			break
		}
		v = next
	}
	return v
}

// DefaultFS is where a path without scheme goes, file:/// if nothing is configured.
func (c Conf) DefaultFS() string {
	for _, name := range []string{"fs.defaultFS", "fs.default.name"} {
		if v := c.Get(name); v != "" {
			return v
		}
	}
	return "file:///"
}

// Int returns a number, which may end in k, m, g or t as Hadoop's sizes do, or otherwise.
func (c Conf) Int(name string, otherwise int64) (int64, error) {
	v := strings.ToLower(c.Get(name))
	if v == "" {
		return otherwise, nil
	}
	shift := 0
	if i := strings.IndexByte("kmgt", v[len(v)-1]); i >= 0 {
		v, shift = v[:len(v)-1], 10*(i+1)
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n<<shift>>shift != n {
		return 0, fmt.Errorf("%s = %q in Hadoop's configuration is not a number", name, c.Get(name))
	}
	return n << shift, nil
}

// Bool tells whether the property is true.
func (c Conf) Bool(name string) bool { return strings.EqualFold(c.Get(name), "true") }

// defaultPort of a namenode.
const defaultPort = "8020"

// Namenodes returns the addresses behind the authority of an hdfs:// URI: those of a nameservice, or the one itself.
func (c Conf) Namenodes(authority string) ([]string, error) {
	if authority == "" {
		return nil, errors.New("the path names no namenode: write hdfs://host:port/... or set fs.defaultFS in core-site.xml")
	}
	var addrs []string
	ids := c.Get("dfs.ha.namenodes." + authority)
	for id := range strings.SplitSeq(ids, ",") {
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		key := "dfs.namenode.rpc-address." + authority + "." + id
		addr := c.Get(key)
		if addr == "" {
			return nil, fmt.Errorf("%s is missing in hdfs-site.xml, but dfs.ha.namenodes.%s names %s", key, authority, id)
		}
		addrs = append(addrs, withPort(addr))
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	if addr := c.Get("dfs.namenode.rpc-address." + authority); addr != "" {
		return []string{withPort(addr)}, nil
	}
	for ns := range strings.SplitSeq(c.Get("dfs.nameservices"), ",") {
		if strings.TrimSpace(ns) == authority {
			return nil, fmt.Errorf("hdfs-site.xml names the nameservice %s but none of its namenodes (dfs.ha.namenodes.%s)", authority, authority)
		}
	}
	return []string{withPort(authority)}, nil
}

func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), defaultPort)
}
