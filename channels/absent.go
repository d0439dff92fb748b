package channels

// Types of Flume that a configuration may name and this program does not have, with what to use instead.
func init() {
	Registry.Refuse("spillablememory", []string{"org.apache.flume.channel.SpillableMemoryChannel"},
		"the file channel keeps what it has just taken in memory as well (cacheBytes): use file")
	Registry.Refuse("jdbc", []string{"org.apache.flume.channel.jdbc.JdbcChannel"}, "it needs a Java database; use file, which is faster and as durable")
	Registry.Refuse("pseudotxn", []string{"org.apache.flume.channel.PseudoTxnMemoryChannel"}, "it loses events and was for tests; use memory")
}
