package hadoop

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// contextCall is the call id of the packet that follows a login: it says who acts and which protocol is spoken.
const contextCall = -3

// actAs returns the packet with another user in it, if it is the one that says who acts: who has logged in with Kerberos
// then acts on that user's behalf, if hadoop.proxyuser.* allows it. The library only ever names the principal. A packet is
// uint32 length, then RpcRequestHeaderProto and IpcConnectionContextProto, each with its uvarint length in front.
func actAs(packet []byte, user string) []byte {
	if user == "" || len(packet) < 4 || int(binary.BigEndian.Uint32(packet)) != len(packet)-4 {
		return packet
	}
	n := prefixed(packet[4:])
	if n <= 0 || callID(packet[4:4+n]) != contextCall {
		return packet
	}
	rest := packet[4+n:]
	size, m := binary.Uvarint(rest)
	if m <= 0 || len(rest) != m+int(size) {
		return packet
	}
	var context []byte
	for b := rest[m:]; len(b) > 0; {
		num, _, k := protowire.ConsumeField(b)
		if k < 0 {
			return packet
		}
		if num == 2 { // userInfo: 1 is the effective user
			info := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), user)
			context = protowire.AppendBytes(protowire.AppendTag(context, 2, protowire.BytesType), info)
		} else {
			context = append(context, b[:k]...)
		}
		b = b[k:]
	}
	out := append([]byte(nil), packet[:4+n]...)
	out = protowire.AppendBytes(out, context)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// callID returns field 3 of a RpcRequestHeaderProto, a sint32, with the message's length in front; 0 if there is none.
func callID(message []byte) int64 {
	_, n := binary.Uvarint(message)
	for b := message[n:]; len(b) > 0; {
		num, typ, k := protowire.ConsumeTag(b)
		if k < 0 {
			return 0
		}
		b = b[k:]
		if num == 3 && typ == protowire.VarintType {
			v, k := protowire.ConsumeVarint(b)
			if k < 0 {
				return 0
			}
			return protowire.DecodeZigZag(v)
		}
		if k = protowire.ConsumeFieldValue(num, typ, b); k < 0 {
			return 0
		}
		b = b[k:]
	}
	return 0
}
