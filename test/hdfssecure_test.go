package test

import (
	"strconv"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/sinks"
	"goflume/test/service"
)

// Under every protection of the data stream what was delivered is there: seen by acknowledgements where they can be
// seen, else by closing the file.
func TestRealHDFSSinkWithKerberos(t *testing.T) {
	for _, protection := range []string{"authentication", "integrity", "privacy"} {
		t.Run(protection, func(t *testing.T) {
			h := service.Start(t, service.HDFS{Kerberos: protection})
			t.Setenv("HADOOP_CONF_DIR", h.ConfDir())
			t.Setenv("KRB5_CONFIG", h.Kerberos.Krb5Conf)
			login := "hdfs.kerberosPrincipal = flume@" + h.Kerberos.Realm + "\nhdfs.kerberosKeytab = " + h.Kerberos.Keytab + "\n"
			client, err := hdfs.NewClient(hdfs.ClientOptions{
				Addresses: []string{h.Addr()}, KerberosClient: loginFlume(t, h.Kerberos),
				KerberosServicePrincipleName: "nn/_HOST", DataTransferProtection: protection,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			const batches, size = 12, 500
			for _, commit := range []string{"hflush", "close"} {
				dir := "/secure/" + commit
				s, _ := hdfsSink(t, t.TempDir(), calmFiles+"hdfs.path = "+h.URL()+dir+"\nhdfs.commit = "+commit+"\n"+login)
				done := make(chan error, batches)
				start := time.Now()
				for i := range batches {
					batch := lines(size*i, size*i+size)
					if p := s.(sinks.Pipelined); p.Window() > 1 {
						if err := p.Start(t.Context(), batch, func(err error) { done <- err }); err != nil {
							t.Fatal(err)
						}
						continue
					}
					done <- s.Write(t.Context(), batch)
				}
				if together := s.(sinks.Pipelined).Window() > 1; together != (protection != "authentication" || commit == "close") {
					t.Errorf("%s: several batches share a close: %v", commit, together)
				}
				for range batches {
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				}
				took := time.Since(start)
				// What was delivered can be seen before the sink is closed, but for bytes of an open file that only the
				// datanodes know of.
				if protection != "authentication" || commit == "close" {
					if n := totalSize(t, client, dir); n != batches*size*201 {
						t.Errorf("%s: %d bytes after the last batch, want %d", commit, n, batches*size*201)
					}
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := totalSize(t, client, dir); n != batches*size*201 {
					t.Errorf("%s: %d bytes, want %d", commit, n, batches*size*201)
				}
				t.Logf("%s: %v a batch", commit, (took / batches).Round(100*time.Microsecond))
				if protection == "authentication" { // the library cannot read the others, nor 3DES
					wantLines(t, client, dir, batches*size)
				}
			}
		})
	}
}

func totalSize(t *testing.T, c *hdfs.Client, dir string) (n int64) {
	t.Helper()
	for _, name := range walkFiles(t, c, dir) {
		fi, err := c.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		n += fi.Size()
	}
	return n
}

func TestRealHDFSSinkFollowsAFailover(t *testing.T) {
	h := service.Start(t, service.HDFSHA{})
	asFlumeUser(t)
	t.Setenv("HADOOP_CONF_DIR", h.ConfDir())
	const n = 100_000
	s, set := hdfsSink(t, t.TempDir(), textFiles+"hdfs.path = /ha/%{d}\nhdfs.rollCount = 10000\n")
	moved := make(chan error, 1)
	failures := 0
	for i := 0; i < n; i += 1000 {
		switch i {
		case 30_000: // by order
			if err := h.Standby(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if err := h.Activate(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		case 60_000: // by death, while lines are written
			if err := h.Standby(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if err := h.Activate(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			h.Namenodes[0].Kill()
			go func() { moved <- h.Activate(t.Context(), 1) }()
		}
		batch := lines(i, i+1000)
		for j := range batch {
			batch[j].Headers = append(batch[j].Headers, header("d", strconv.Itoa(j%3)))
		}
		failures += deliver(t, s, batch, 2*time.Minute)
	}
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	awaitMended(t, set, 3*time.Minute)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	client, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: h.Addrs(), User: service.User()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	wantLines(t, client, "/ha", n)
	t.Logf("%d batches failed and were written again", failures)
}
