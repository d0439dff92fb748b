package conf

// The codes that settings and types are reported under.
const (
	codeNoType      = "FL203"
	codeUnknownType = "FL210"
	codeRefusedType = "FL211"
	codeUnknownKey  = "FL301"
	codeDeprecated  = "FL310"
	codeMissing     = "FL401"
	codeNumber      = "FL402"
	codeRange       = "FL403"
	codeEnum        = "FL404"
	codeBool        = "FL405"
	codeDuration    = "FL406"
	codeMalformed   = "FL407"
	codeRule        = "FL408"
	codeClearSecret = "FL520"
)
