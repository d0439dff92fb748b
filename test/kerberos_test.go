package test

import (
	"bytes"
	"testing"

	"github.com/colinmarc/hdfs/v2"
	krb "github.com/jcmturner/gokrb5/v8/client"
	krbconfig "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"

	"goflume/test/service"
)

// loginFlume is the user flume with a ticket.
func loginFlume(t *testing.T, k *service.KerberosServer) *krb.Client {
	t.Helper()
	keys, err := keytab.Load(k.Keytab)
	if err != nil {
		t.Fatal(err)
	}
	config, err := krbconfig.Load(k.Krb5Conf)
	if err != nil {
		t.Fatal(err)
	}
	client := krb.NewWithKeytab("flume", k.Realm, keys, config, krb.DisablePAFXFAST(true))
	if err := client.Login(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Destroy)
	return client
}

func TestRealHDFSWithKerberos(t *testing.T) {
	h := service.Shared(t, service.HDFS{Kerberos: "authentication"})
	options := hdfs.ClientOptions{
		Addresses: []string{h.Addr()}, KerberosClient: loginFlume(t, h.Kerberos),
		KerberosServicePrincipleName: "nn/_HOST", DataTransferProtection: "authentication",
	}
	client, err := hdfs.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	want := []byte("with a ticket")
	writeHDFS(t, client, "/secure", want)
	if got, err := client.ReadFile("/secure"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
	anonymous, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: []string{h.Addr()}, User: "flume"})
	if err != nil {
		return
	}
	defer anonymous.Close()
	if _, err := anonymous.Stat("/secure"); err == nil {
		t.Error("a client without a ticket was let in")
	}
}
