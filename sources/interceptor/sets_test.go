package interceptor

import (
	"testing"

	"goflume/conf"
)

func TestInterceptorsSayWhichHeadersTheySet(t *testing.T) {
	for name, c := range map[string]struct {
		settings conf.HeaderSetter
		sets     string
	}{
		"timestamp":       {TimestampSettings{HeaderName: "timestamp"}, "timestamp"},
		"host":            {HostSettings{HostHeader: "host"}, "host"},
		"static":          {StaticSettings{Key: "dc"}, "dc"},
		"uuid":            {UUIDSettings{HeaderName: "id"}, "id"},
		"json field":      {JSONSettings{Fields: []string{"a"}}, "a"},
		"json header":     {JSONSettings{Header: map[string]string{"b": "x.y"}}, "b"},
		"regex_extractor": {RegexExtractorSettings{Regex: "(.*)", Serializers: []string{"s1"}, Serializer: map[string]string{"s1.name": "when"}}, "when"},
	} {
		if !c.settings.MaySetHeader(c.sets) || c.settings.MaySetHeader("other") {
			t.Errorf("%s: sets %s = %v, other = %v; want true, false", name, c.sets, c.settings.MaySetHeader(c.sets), c.settings.MaySetHeader("other"))
		}
	}
}
