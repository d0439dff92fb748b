package sources

// Types of Flume that a configuration may name and this program does not have, with what to use instead.
func init() {
	const later = "not in this version; "
	Registry.Refuse("avro", []string{"org.apache.flume.source.AvroSource"}, later+"let the sending agents share a Kafka topic, or send lines to netcat")
	Registry.Refuse("thrift", []string{"org.apache.flume.source.ThriftSource"}, later+"let the sending agents share a Kafka topic, or send lines to netcat")
	Registry.Refuse("http", []string{"org.apache.flume.source.http.HTTPSource"}, later+"send lines to netcat, or write to Kafka")
	Registry.Refuse("syslogtcp", []string{"org.apache.flume.source.SyslogTcpSource"}, later+"have the syslog daemon write a file and follow it by taildir")
	Registry.Refuse("syslogudp", []string{"org.apache.flume.source.SyslogUDPSource"}, later+"have the syslog daemon write a file and follow it by taildir")
	Registry.Refuse("multiport_syslogtcp", []string{"org.apache.flume.source.MultiportSyslogTCPSource"}, later+"have the syslog daemon write a file and follow it by taildir")
	Registry.Refuse("jms", []string{"org.apache.flume.source.jms.JMSSource"}, "JMS is a Java interface that needs the broker's Java classes; have the broker write to Kafka")
	Registry.Refuse("scribe", []string{"org.apache.flume.source.scribe.ScribeSource"}, "Scribe is gone; send lines to netcat, or write to Kafka")
	Registry.Refuse("avrolegacy", []string{"org.apache.flume.source.avroLegacy.AvroLegacySource"}, "it takes events of Flume 0.9 only")
	Registry.Refuse("thriftlegacy", []string{"org.apache.flume.source.thriftLegacy.ThriftLegacySource"}, "it takes events of Flume 0.9 only")
}
