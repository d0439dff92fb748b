package test

import (
	"strings"
	"testing"

	"goflume/test/service"
)

func TestRealZooKeeperComesBackAfterAKill(t *testing.T) {
	z := service.Shared(t, service.ZooKeeper{})
	z.Kill()
	if err := z.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := z.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer, err := z.Command(t.Context(), "srvr")
	if err != nil || !strings.Contains(answer, "Mode: standalone") {
		t.Errorf("srvr answers %q, %v", answer, err)
	}
}
