package hadoop

import (
	"encoding/binary"
	"net"
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
