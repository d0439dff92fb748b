package fileroll

import (
	"strconv"
	"time"
)

// names gives every file its name, as Flume's path managers do:
//
//	DEFAULT   <prefix><start of the sink, Unix milliseconds>-<n>.<extension>
//	ROLLTIME  <prefix><yyyyMMddHHmmss, local time>-<n>.<extension>
//
// n counts from 1; with ROLLTIME it starts over each second.
type names struct {
	settings Settings
	series   string // what stands before n
	n        int
}

func (n *names) next(now time.Time) string {
	series := n.series
	switch {
	case n.settings.PathManager == "ROLLTIME":
		series = now.Format("20060102150405")
	case series == "":
		series = strconv.FormatInt(now.UnixMilli(), 10)
	}
	if series != n.series {
		n.series, n.n = series, 0
	}
	n.n++
	name := n.settings.Prefix + series + "-" + strconv.Itoa(n.n)
	if n.settings.Extension != "" {
		name += "." + n.settings.Extension
	}
	return name
}
