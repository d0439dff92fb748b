package hadoop

import (
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"goflume/internal/vfs"
)

// Options of a file system.
type Options struct {
	// CallTimeout bounds every call to a namenode and every wait for datanodes; 0 or less is a day.
	CallTimeout time.Duration
	Durability  Durability // of file://
	Conf        Conf
	// User acts; empty is who has logged in with Kerberos, or on a cluster without it HADOOP_USER_NAME or the process's own.
	// With Kerberos the principal must be allowed to act on the user's behalf (hadoop.proxyuser.*).
	User string
	// Principal and Keytab log in with Kerberos. Without a principal the ticket cache is used, where the cluster is
	// configured to want Kerberos.
	Principal, Keytab string
}

// Split cuts a path as it is configured into the file system's URI, such as hdfs://nn:8020 or file://, and the path on
// it. A path without scheme goes to the default file system. Nothing is resolved yet.
func Split(path, defaultFS string) (root, rest string, err error) {
	scheme, after, ok := strings.Cut(path, ":/")
	if !ok || strings.ContainsAny(scheme, "/%{[") {
		if !strings.Contains(defaultFS, ":/") {
			return "", "", fmt.Errorf("fs.defaultFS = %q is not a URI", defaultFS)
		}
		root, _, err := Split(strings.TrimSuffix(defaultFS, "/")+"/", "")
		if err != nil {
			return "", "", fmt.Errorf("fs.defaultFS = %s: %w", defaultFS, err)
		}
		return root, path, nil
	}
	authority := ""
	rest = "/" + after
	if a, ok := strings.CutPrefix(after, "/"); ok { // scheme://authority/path
		slash := strings.IndexByte(a, '/')
		if slash < 0 {
			return "", "", fmt.Errorf("%s names no directory: add at least a / after the host", path)
		}
		authority, rest = a[:slash], a[slash:]
	}
	switch strings.ToLower(scheme) {
	case "hdfs":
		if strings.ContainsAny(authority, "%{[ ") {
			return "", "", fmt.Errorf("the host in %s is made of escapes: write it out", path)
		}
		return "hdfs://" + authority, rest, nil
	case "file":
		if authority != "" && authority != "localhost" {
			return "", "", fmt.Errorf("file://%s/ is on another machine: write file:///... with three slashes", authority)
		}
		return "file://", rest, nil
	}
	return "", "", fmt.Errorf("scheme %s:// is not supported: hdfs:// and file:// are. Mount points of viewfs can be written as the hdfs:// they stand for; s3a, abfs and gs need Hadoop's own libraries", scheme)
}

// Open returns the file system of that root, which Split returned. It connects at the first call that needs it.
func Open(root string, o Options) (FS, error) {
	if root == "file://" {
		return Local(vfs.OS{Public: true}, o.Durability), nil
	}
	authority := strings.TrimPrefix(root, "hdfs://")
	if authority == "" {
		authority = strings.TrimPrefix(strings.TrimSuffix(o.Conf.DefaultFS(), "/"), "hdfs://")
	}
	return newCluster(authority, o)
}

func osUser() string {
	if u := os.Getenv("HADOOP_USER_NAME"); u != "" {
		return u
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return os.Getenv("USER")
}
