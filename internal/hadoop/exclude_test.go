package hadoop

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// request makes a packet as the library writes it.
func request(method string, body []byte) []byte {
	header := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), method)
	all := join(message([]byte("rpc header")), message(header), message(body))
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(all))), all...)
}

func TestBlocksAreAskedForWithoutTheExcluded(t *testing.T) {
	var x excluded
	body := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "/file")
	plain := request("addBlock", body)
	if got := x.complete(plain); string(got) != string(plain) {
		t.Errorf("nothing excluded: % x, want the request as it was", got)
	}
	info := make([]byte, 300)
	x.add(datanode{"1.2.3.4:5", info})
	want := request("addBlock", protowire.AppendBytes(protowire.AppendTag(append([]byte(nil), body...), 4, protowire.BytesType), info))
	if got := x.complete(plain); string(got) != string(want) {
		t.Errorf("% x, want % x", got, want)
	}
	for _, other := range [][]byte{request("complete", body), plain[:len(plain)-1], {1, 2}, nil} {
		if got := x.complete(other); string(got) != string(other) {
			t.Errorf("% x became % x", other, got)
		}
	}
	x.nodes["1.2.3.4:5"] = excludedNode{info, time.Now().Add(-time.Second)}
	if got := x.complete(plain); string(got) != string(plain) || len(x.nodes) != 0 {
		t.Errorf("after its time: % x with %d nodes, want the request as it was", got, len(x.nodes))
	}
}

func TestAMuteDatanodeIsFound(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		t.Cleanup(func() { l.Close() })
		return l
	}
	mute, alive, gone := listen(), listen(), listen()
	gone.Close()
	go func() {
		for c, err := alive.Accept(); err == nil; c, err = alive.Accept() {
			c.Close()
		}
	}()
	c := &cluster{}
	nodes := []datanode{{mute.Addr().String(), nil}, {alive.Addr().String(), nil}, {gone.Addr().String(), nil}}
	c.blame(t.Context(), nodes, -1)
	for i, want := range []bool{true, false, true} {
		if _, got := c.excluded.nodes[nodes[i].addr]; got != want {
			t.Errorf("node %d excluded: %v, want %v", i, got, want)
		}
	}
}

func FuzzRequests(f *testing.F) {
	f.Add(request("addBlock", []byte{8, 1}))
	f.Fuzz(func(t *testing.T, packet []byte) {
		var x excluded
		x.add(datanode{"a:1", []byte("x")})
		if got := x.complete(packet); len(got) < len(packet) {
			t.Errorf("%d bytes became %d", len(packet), len(got))
		}
	})
}

// opAnswer makes a datanode's answer to the request for a block.
func opAnswer(status uint64, link string) []byte {
	m := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), status)
	return message(protowire.AppendString(protowire.AppendTag(m, 2, protowire.BytesType), link))
}

// A datanode without room for a block answers the namenode's probes and everybody's questions all the same.
func TestADatanodeThatRefusesABlockIsBlamed(t *testing.T) {
	nodes := []datanode{{"a:1", nil}, {"b:1", nil}, {"c:1", nil}}
	for _, c := range []struct {
		what   string
		answer []byte
		want   int
	}{
		{"all take it", opAnswer(0, ""), -1},
		{"the first one closes", nil, 0},
		{"the first one says so", opAnswer(1, ""), 0},
		{"the third one", opAnswer(1, "c:1"), 2},
		{"somebody else", opAnswer(1, "d:1"), -1},
	} {
		conn, node := pair(t)
		go func() {
			_, _ = node.Read(make([]byte, 1000))
			_, _ = node.Write(c.answer)
			node.Close()
		}()
		_, err := conn.Write(op)
		must(t, err)
		for buf := make([]byte, 100); err == nil; _, err = conn.Read(buf) {
		}
		if got := conn.blamed(nodes); got != c.want {
			t.Errorf("%s: node %d is blamed, want %d", c.what, got, c.want)
		}
	}
}

func TestASilentNamenodeIsAskedLast(t *testing.T) {
	var s silent
	addrs := []string{"a", "b", "c"}
	for _, c := range []struct{ silent, want string }{{"", "abc"}, {"a", "bca"}, {"b", "cab"}, {"a", "cba"}} {
		if c.silent != "" {
			s.note(c.silent)
		}
		if got := strings.Join(s.sorted(addrs), ""); got != c.want {
			t.Errorf("after %s was silent: %s, want %s", c.silent, got, c.want)
		}
	}
}
