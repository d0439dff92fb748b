// Package hive proves what needs a real Hive. It stands apart because Hive's client takes long to compile.
package hive

import (
	"context"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/beltran/gohive"

	"goflume/test/service"
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }

func TestRealHiveTakesStatements(t *testing.T) {
	h := service.Shared(t, service.Hive{})
	host, port, err := net.SplitHostPort(h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := gohive.Connect(host, number, "NOSASL", gohive.NewConnectConfiguration())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cursor := conn.Cursor()
	defer cursor.Close()
	for _, statement := range []string{
		"create table smoke (n bigint, text string) stored as orc tblproperties ('transactional'='true')",
		"insert into smoke values (1, 'one'), (2, 'two')",
		"select text from smoke where n = 2",
	} {
		if cursor.Exec(ctx, statement); cursor.Err != nil {
			t.Fatalf("%s: %v", statement, cursor.Err)
		}
	}
	var text string
	if !cursor.HasMore(ctx) {
		t.Fatal("no row")
	}
	if cursor.FetchOne(ctx, &text); cursor.Err != nil || text != "two" {
		t.Errorf("read %q, %v; want two", text, cursor.Err)
	}
}
