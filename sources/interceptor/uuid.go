package interceptor

import (
	"crypto/rand"
	"encoding/hex"

	"goflume/event"
	"goflume/internal/registry"
)

func init() {
	const class = "org.apache.flume.sink.solr.morphline.UUIDInterceptor"
	registry.Add(Registry, "uuid", []string{class + "$Builder", class}, UUIDSettings{HeaderName: "id", PreserveExisting: true}, newUUID)
	const morphline = "org.apache.flume.sink.solr.morphline.MorphlineInterceptor"
	Registry.Refuse("morphline", []string{morphline + "$Builder", morphline},
		"morphlines run Java commands; json, regex_extractor, search_replace and redact do most of what they are used for")
}

// UUIDSettings are the settings of the uuid interceptor, which gives every event an identifier of its own.
type UUIDSettings struct {
	// Header that gets the identifier, a random UUID (version 4).
	HeaderName string `conf:"headerName"`
	// Keep a header that is there already.
	PreserveExisting bool `conf:"preserveExisting"`
	// Text in front of the identifier.
	Prefix string `conf:"prefix"`
}

type uuid struct{ s UUIDSettings }

func newUUID(_ registry.Env, s UUIDSettings) (Interceptor, error) { return uuid{s}, nil }

// uuidText is the length of an identifier without its prefix.
const uuidText = 36

func (u uuid) Intercept(b *event.Batch) error {
	// All identifiers of the batch are cut from one string.
	random := make([]byte, 16*len(b.Events))
	rand.Read(random)
	size := len(u.s.Prefix) + uuidText
	text := make([]byte, 0, size*len(b.Events))
	for ; len(random) > 0; random = random[16:] {
		text = appendUUID(append(text, u.s.Prefix...), random[:16])
	}
	ids := string(text)
	for i := range b.Events {
		e := &b.Events[i]
		if u.s.PreserveExisting {
			if _, there := e.Header(u.s.HeaderName); there {
				continue
			}
		}
		b.SetHeader(e, u.s.HeaderName, ids[i*size:(i+1)*size])
	}
	return nil
}

// appendUUID gives 16 random bytes the version and variant of RFC 9562, section 5.4, and appends their text.
func appendUUID(dst, r []byte) []byte {
	r[6] = r[6]&0x0f | 0x40
	r[8] = r[8]&0x3f | 0x80
	for i, part := range [][]byte{r[:4], r[4:6], r[6:8], r[8:10], r[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}
