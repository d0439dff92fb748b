package hadoop

import (
	"encoding/binary"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// contextPacket makes the packet that follows a login, with an id of the call.
func contextPacket(id int64, user string) []byte {
	header := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
	header = protowire.AppendVarint(protowire.AppendTag(header, 3, protowire.VarintType), protowire.EncodeZigZag(id))
	info := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), user)
	context := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), info)
	context = protowire.AppendString(protowire.AppendTag(context, 3, protowire.BytesType), "protocol")
	all := join(message(header), message(context))
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(all))), all...)
}

func TestThePrincipalActsOnBehalfOfTheProxyUser(t *testing.T) {
	packet := contextPacket(contextCall, "flume@REALM")
	if got, want := actAs(packet, "alice"), contextPacket(contextCall, "alice"); string(got) != string(want) {
		t.Errorf("% x, want % x", got, want)
	}
	if got := actAs(packet, ""); string(got) != string(packet) {
		t.Errorf("without a proxy user: % x, want it as it was", got)
	}
	for _, other := range [][]byte{contextPacket(7, "flume@REALM"), request("addBlock", []byte{8, 1}), packet[:len(packet)-1], []byte("hrpc\x09\x00\xdf"), nil} {
		if got := actAs(other, "alice"); string(got) != string(other) {
			t.Errorf("% x became % x", other, got)
		}
	}
}

func FuzzContexts(f *testing.F) {
	f.Add(contextPacket(contextCall, "flume@REALM"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		got := actAs(packet, "alice")
		if string(got) != string(packet) && int(binary.BigEndian.Uint32(got)) != len(got)-4 {
			t.Errorf("% x became % x", packet, got)
		}
	})
}
