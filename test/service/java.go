package service

import (
	"encoding/xml"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// java returns the command line of a Java program that runs from a set's jars, with the run's conf/ first on the
// class path. The small collector and the first compiler alone halve the cost of a start.
func (r *Run) java(s Set, heapMB int, main string, args ...string) ([]string, error) {
	jars, err := s.Jars()
	if err != nil {
		return nil, err
	}
	path := append([]string{filepath.Join(r.Dir, "conf")}, jars...)
	argv := []string{"java", fmt.Sprintf("-Xmx%dm", heapMB), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-XX:-UsePerfData", "-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true",
		"-Djava.io.tmpdir=" + filepath.Join(r.Dir, "tmp"), "-cp", strings.Join(path, ":")}
	argv = append(append(argv, r.javaFlags...), main)
	return append(argv, args...), nil
}

// javaHome is where the java of PATH is installed.
func javaHome() (string, error) {
	name, err := exec.LookPath("java")
	if err != nil {
		return "", err
	}
	if name, err = filepath.EvalSymlinks(name); err != nil {
		return "", err
	}
	return filepath.Dir(filepath.Dir(name)), nil
}

// hadoopXML writes properties the way Hadoop, HBase and Hive read them.
func hadoopXML(properties map[string]string) string {
	var b strings.Builder
	b.WriteString("<configuration>\n")
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		b.WriteString("  <property><name>" + name + "</name><value>")
		xml.EscapeText(&b, []byte(properties[name]))
		b.WriteString("</value></property>\n")
	}
	b.WriteString("</configuration>\n")
	return b.String()
}
