package conf

import "strings"

// Mask is shown in place of a secret.
const Mask = "********"

// Secret is a setting that is never logged or shown.
type Secret string

// String masks the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// GoString and MarshalText mask it as well, so that no formatting verb and no encoder lets it out.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// SecretKey tells whether a property of that name, of which nothing else is known, must be taken for a secret: its last
// part says so. `key` alone does not, as it is most often a partition or header key.
func SecretKey(key string) bool {
	key = strings.ToLower(key)
	if key == "sasl.jaas.config" || strings.HasSuffix(key, ".sasl.jaas.config") {
		return true
	}
	last := lastPart(key)
	for _, word := range []string{"password", "passwd", "secret", "token", "credential", "apikey", "api-key", "api_key"} {
		if strings.Contains(last, word) {
			return true
		}
	}
	return false
}
