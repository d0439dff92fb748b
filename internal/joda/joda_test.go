package joda

import (
	"strconv"
	"testing"
	"time"
	_ "time/tzdata"
)

// The milliseconds are what Joda-Time 2.9.9 answers in America/New_York.
func TestReadsAsJodaDoes(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ pattern, text, want string }{
		{`yyyy-MM-dd HH:mm:ss`, `2012-06-12 11:54:34`, `1339516474000`},
		{`yyyy-MM-dd HH:mm`, `2012-6-2 1:4`, `1338613440000`},
		{`dd/MMM/yyyy:HH:mm:ss Z`, `12/Jun/2012:11:54:34 +0200`, `1339494874000`},
		{`yyyyMMddHHmmss`, `20120612115434`, `1339516474000`},
		{`yy-MM-dd`, `12-06-12`, `1339473600000`},
		{`yy-MM-dd`, `85-06-12`, `487396800000`},
		{`yy-MM-dd`, `2012-06-12`, `1339473600000`},
		{`HH:mm`, `11:54`, `60840000`},
		{`h:mm a`, `12:05 AM`, `18300000`},
		{`h:mm a`, `1:05 pm`, `65100000`},
		{`yyyy-DDD`, `2012-164`, `1339473600000`},
		{`yyyy-MM-dd'T'HH:mm:ss.SSSZ`, `2012-06-12T11:54:34.123+02:00`, `1339494874123`},
		{`EEE MMM dd HH:mm:ss yyyy`, `Tue Jun 12 11:54:34 2012`, `1339516474000`},
		{`MMMM d`, `June 3`, `960004800000`},
		{`yyyy-MM-dd`, `2012-02-30`, `error`},
		{`yyyy-MM-dd`, `2012-13-01`, `error`},
		{`ss.SS`, `5.7`, `18005700`},
		{`yyyy-MM-dd HH:mm:ss`, `2012-06-12`, `error`},
		{`kk:mm`, `24:10`, `18600000`},
		{`''yyyy''`, `'2012'`, `1325394000000`},
		{`yyyy-MM-dd'T'HH:mm:ssZ`, `2012-06-12T11:54:34Z`, `1339502074000`},
		{`ddMMyyyy`, `12062012`, `1339473600000`},
		{`ss.SSS`, `5.7`, `18005700`},
		{`ss.SSS`, `5.1234`, `error`},
		{`yyyy`, `+2012`, `1325394000000`},
		{`yyyy z`, `2012 UTC`, `1325376000000`},
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		got := "error"
		if at, err := p.Parse(c.text, zone); err == nil {
			got = strconv.FormatInt(at.UnixMilli(), 10)
		}
		if got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.pattern, c.text, got, c.want)
		}
	}
}

func TestReadsLettersOfEveryAlphabetAndOddLengths(t *testing.T) {
	day := time.Date(2012, 6, 12, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		pattern, text string
		want          time.Time // zero: an error
	}{
		{"yyyy年MM月dd日", "2012年06月12日", day},
		{"yyyy年MM月dd日", "2012月06月12日", time.Time{}},
		{"dd'é'MM'é'yyyy", "12é06é2012", day},
		{"dd'é'MM'é'yyyy", "12\xe906\xe92012", time.Time{}},
		{"yyyy-MM-dd.SSSSSSSSSSSS", "2012-06-12.700000000009", day.Add(700 * time.Millisecond)},
		{"yyyy-DDD", "2012-366", time.Date(2012, 12, 31, 0, 0, 0, 0, time.UTC)},
		{"yyyy-DDD", "2013-366", time.Time{}},
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Parse(c.text, time.UTC); !got.Equal(c.want) || (err != nil) != c.want.IsZero() {
			t.Errorf("%s of %q: %v, %v, want %v", c.pattern, c.text, got, err, c.want)
		}
	}
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	for _, pattern := range []string{"yyyy-ww", "'open", "GGG"} {
		if _, err := Compile(pattern); err == nil {
			t.Errorf("%s is accepted", pattern)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2012-06-12T11:54:34.123+02:00")
	f.Add("EEE MMM d h:mm a yy", "Tue Jun 1 1:05 PM 12")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if p, err := Compile(pattern); err == nil {
			p.Parse(text, time.UTC)
		}
	})
}
