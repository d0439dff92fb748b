package test

import (
	"testing"

	"goflume/test/service"
)

func TestRealHBaseKeepsRows(t *testing.T) {
	h := service.Shared(t, service.HBase{})
	if err := h.CreateTable(t.Context(), "smoke", "cf"); err != nil {
		t.Fatal(err)
	}
	if err := h.Put(t.Context(), "smoke", "row1", "cf:q", "hello"); err != nil {
		t.Fatal(err)
	}
	rows, err := h.Rows(t.Context(), "smoke", "row")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0].Key != "row1" || rows[0].Cells["cf:q"] != "hello" {
		t.Errorf("rows %v, want row1 with cf:q=hello", rows)
	}
}
