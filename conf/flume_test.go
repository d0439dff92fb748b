package conf

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestStartsThatFlumeGotWrong holds the configurations of odd starts that were recorded from Flume itself against what is
// said here: each effect that was recorded has a code.
func TestStartsThatFlumeGotWrong(t *testing.T) {
	data, err := os.ReadFile("testdata/cli-and-config-errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded map[string]struct {
		Result  string
		Notable []string
	}
	if err := json.Unmarshal(data, &recorded); err != nil {
		t.Fatal(err)
	}
	const head = "a.sources = r1\na.channels = c1\na.sinks = k1\na.sources.r1.channels = c1\na.sinks.k1.channel = c1\n"
	const ends = "a.sinks.k1.type = logger\na.channels.c1.type = memory\n"
	for name, c := range map[string]struct{ text, want, flume string }{
		"empty_conf":          {"# nothing\n", "FL005", "No configuration could be found"},
		"unknown_source_type": {head + ends + "a.sources.r1.type = nosuch\n", "FL210", "Unable to load source type: nosuch"},
		"unknown_sink_type":   {head + "a.channels.c1.type = memory\na.sources.r1.type = seq\na.sinks.k1.type = elasticsearch\n", "FL210", "Unable to load sink type: elasticsearch"},
		"bad_capacity":        {head + ends + "a.sources.r1.type = seq\na.channels.c1.capacity = 1k\n", "FL402", "Invalid capacity specified"},
		"txn_gt_cap":          {head + ends + "a.sources.r1.type = seq\na.channels.c1.capacity = 10\na.channels.c1.transactionCapacity = 100\n", "FL408", "Transaction Capacity of Memory Channel cannot be higher"},
		"batch_gt_txn":        {head + ends + "a.sources.r1.type = seq\na.sources.r1.batchSize = 500\n", "FL410", "batch size is greater than the channels transaction capacity"},
		"missing_required":    {head + ends + "a.sources.r1.type = netcat\na.sources.r1.port = 1\n", "FL401", "Required parameter bind must exist"},
		"unknown_property":    {head + ends + "a.sources.r1.type = seq\na.bogus = 2\na.sources.r1.nosuch = 1\n", "FL105 FL301", "Invalid property specified: bogus"},
		"inline_comment":      {head + ends + "a.sources.r1.type = seq\na.sources.r1.totalEvents = 3 # three\n", "FL402", "For input string: \"3 # three\""},
		"ok_seq":              {head + ends + "a.sources.r1.type = seq\na.sources.r1.totalEvents = 3\n", "", "Event: { headers:{} body: 30"},
		"envvar":              {head + ends + "a.sources.r1.type = seq\na.sources.r1.totalEvents = ${env:PORT}\n", "", ""},
		"hdfs_no_timestamp":   {head + "a.channels.c1.type = memory\na.sources.r1.type = seq\na.sinks.k1.type = hdfs\na.sinks.k1.hdfs.path = /x/%Y\n", "FL420", "Expected timestamp in the Flume event headers"},
	} {
		t.Run(name, func(t *testing.T) {
			r, ok := recorded[name]
			if !ok {
				t.Fatal("not among the recorded starts")
			}
			if !strings.Contains(strings.Join(r.Notable, "\n"), c.flume) {
				t.Errorf("recorded from Flume: %q, want %q in it", r.Notable, c.flume)
			}
			_, _, issues := check(t, testEnv, Input{Name: "flume.conf", Data: []byte(c.text)})
			var codes []string
			for _, is := range issues {
				codes = append(codes, is.Code)
			}
			slices.Sort(codes)
			if got := strings.Join(codes, " "); got != c.want {
				t.Errorf("codes %s, want %s\n%s", got, c.want, brief(issues))
			}
		})
	}
}
