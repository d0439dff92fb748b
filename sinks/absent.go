package sinks

// Types of Flume that a configuration may name and this program does not have, with what to use instead.
func init() {
	const later = "not in this version; "
	Registry.Refuse("avro", []string{"org.apache.flume.sink.AvroSink"}, later+"let both agents share a Kafka topic")
	Registry.Refuse("thrift", []string{"org.apache.flume.sink.ThriftSink"}, later+"let both agents share a Kafka topic")
	Registry.Refuse("http", []string{"org.apache.flume.sink.http.HttpSink"}, later+"write to Kafka, or to Elasticsearch")
	Registry.Refuse("hive", []string{"org.apache.flume.sink.hive.HiveSink"}, later+"write files by hdfs into the folders of an external table")
	Registry.Refuse("hbase", []string{"org.apache.flume.sink.hbase.HBaseSink"}, later+"write to Kafka and load from there")
	Registry.Refuse("asynchbase", []string{"org.apache.flume.sink.hbase.AsyncHBaseSink"}, later+"write to Kafka and load from there")
	Registry.Refuse("hbase2", []string{"org.apache.flume.sink.hbase2.HBase2Sink"}, later+"write to Kafka and load from there")
	Registry.Refuse("irc", []string{"org.apache.flume.sink.irc.IRCSink"}, later+"write to Kafka")
	Registry.Refuse("kudu", []string{"org.apache.flume.sink.kudu.KuduSink"}, "Kudu's protocol has no client but Java's and C++'s; write to Kafka and load from there")
	Registry.Refuse("morphline_solr", []string{"org.apache.flume.sink.solr.morphline.MorphlineSolrSink"}, "morphlines run Java commands; use elasticsearch")
	Registry.Refuse("dataset", []string{"org.apache.flume.sink.kite.DatasetSink"}, "Kite is gone; write Avro files by hdfs with the serializer avro_datum")
}
