package test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/internal/hadoop"
	"goflume/internal/metric"
	"goflume/sinks"
	"goflume/test/service"
)

// Sinks write all the time while their tickets expire three times over and the namenode comes and goes, so that they have to
// log in anew: with a keytab, with a ticket cache that somebody else keeps fresh, and on behalf of a proxy user.
func TestRealHDFSSinkOutlivesItsTickets(t *testing.T) {
	service.RequireMIT(t)
	h := service.Start(t, service.HDFS{Kerberos: "authentication", TicketLife: ticketLife,
		Core: map[string]string{"hadoop.proxyuser.flume.hosts": "*", "hadoop.proxyuser.flume.users": "alice"}})
	cache := filepath.Join(t.TempDir(), "cache")
	t.Setenv("HADOOP_CONF_DIR", h.ConfDir())
	t.Setenv("KRB5_CONFIG", h.Kerberos.Krb5Conf)
	t.Setenv("KRB5CCNAME", "FILE:"+cache)
	kinit := func() {
		if err := h.Kerberos.Kinit(t.Context(), cache); err != nil {
			t.Error(err)
		}
	}
	kinit()
	dial := func() *hdfs.Client {
		t.Helper()
		client, err := hdfs.NewClient(hdfs.ClientOptions{
			Addresses: []string{h.Addr()}, KerberosClient: loginFlume(t, h.Kerberos),
			KerberosServicePrincipleName: "nn/_HOST", DataTransferProtection: "authentication",
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		return client
	}
	client := dial()
	for _, dir := range []string{"/tickets", "/tickets/alice"} {
		if err := client.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	login := "hdfs.kerberosPrincipal = flume@" + h.Kerberos.Realm + "\nhdfs.kerberosKeytab = " + h.Kerberos.Keytab + "\n"
	all, sets := map[string]sinks.Sink{}, map[string]*metric.Set{}
	for name, settings := range map[string]string{"keytab": login, "cache": "", "alice": login + "hdfs.proxyUser = alice\n"} {
		all[name], sets[name] = hdfsSink(t, t.TempDir(), textFiles+"hdfs.rollCount = 1000\nhdfs.path = "+h.URL()+"/tickets/"+name+"\n"+settings)
	}
	const size = 100
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-time.After(ticketLife / 2):
				kinit()
			case <-stop:
				return
			}
		}
	}()
	start, next := time.Now(), ticketLife
	n := 0
	for ; time.Since(start) < 3*ticketLife+ticketLife/2; n += size {
		for _, s := range all {
			deliver(t, s, lines(n, n+size), 2*time.Minute)
		}
		if time.Since(start) > next {
			next += ticketLife
			h.Namenode.Kill()
			if err := h.Namenode.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		pause(t, 100*time.Millisecond)
	}
	if err := h.AwaitDatanodes(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	client = dial() // the old connection is dead
	for name, s := range all {
		awaitMended(t, sets[name], 3*time.Minute)
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantLines(t, client, "/tickets/"+name, n)
	}
	close(stop)
	<-stopped
	fresh := time.Now()
	for _, file := range walkFiles(t, client, "/tickets/alice") {
		if fi, err := client.Stat(file); err != nil || fi.(*hdfs.FileInfo).Owner() != "alice" {
			t.Errorf("%s: %v, %v, want alice's", file, fi, err)
		}
	}

	site, err := hadoop.LoadConf(hadoop.ConfDirs())
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, h, hadoop.Options{Conf: site, User: "bob", Principal: "flume@" + h.Kerberos.Realm, Keytab: h.Kerberos.Keytab}, "impersonate bob")
	pause(t, time.Until(fresh.Add(ticketLife+2*time.Second)))
	wantRefusal(t, h, hadoop.Options{Conf: site}, "expired: run kinit")
	kinit()
	on := openHadoopWith(t, h.URL(), hadoop.Options{Conf: site, CallTimeout: 30 * time.Second})
	if err := on.Check(t.Context()); err != nil {
		t.Errorf("after kinit: %v", err)
	}
}

// wantRefusal wants an error of the first call that says so.
func wantRefusal(t *testing.T, h *service.HDFSServer, o hadoop.Options, says string) {
	t.Helper()
	o.CallTimeout = 30 * time.Second
	if err := openHadoopWith(t, h.URL(), o).Check(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want an error that says %q", err, says)
	}
}
