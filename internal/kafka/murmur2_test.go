package kafka

import (
	"bufio"
	"encoding/base64"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The vectors were written by Java's client 4.3.1: base64 of the key, number of partitions, partition.
func TestKeysLandWhereJavaPutsThem(t *testing.T) {
	f, err := os.Open("testdata/kafka-murmur2.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for sc := bufio.NewScanner(f); sc.Scan(); lines++ {
		part := strings.Split(sc.Text(), "\t")
		if len(part) != 3 {
			t.Fatalf("line %d: %q", lines+1, sc.Text())
		}
		key, err := base64.StdEncoding.DecodeString(part[0])
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(part[1])
		if got := partitionFor(key, int32(n)); strconv.Itoa(int(got)) != part[2] {
			t.Fatalf("line %d: partition %d of %d, want %s", lines+1, got, n, part[2])
		}
	}
	if lines != 10_000 {
		t.Errorf("%d vectors, want 10000", lines)
	}
}
