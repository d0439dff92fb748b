package metric

// SourceCounters are the attributes of Flume's SourceCounter. The flow moves the first six; a source moves the others,
// which it finds by declaring them again: NewSource(env.Metrics).
type SourceCounters struct {
	Received, Accepted                   *Counter // events
	AppendReceived, AppendAccepted       *Counter // single-event RPC calls
	AppendBatchReceived, BatchAccepted   *Counter // transactions
	Rejected                             *Counter // events refused by a channel, given back to the client or retried
	Bytes                                *Counter // of the bodies of accepted events
	OpenConnections                      *Gauge
	ReadFail, ChannelWriteFail, Failures *Counter
}

// NewSource declares the attributes in s, or returns those that are there.
func NewSource(s *Set) SourceCounters {
	const events, eventsHelp = "flume_source_events_total", "Events by outcome."
	return SourceCounters{
		Received:            s.Counter("EventReceivedCount", "flume_source_events_received_total", "Events that came in, retries not counted again."),
		Accepted:            s.Counter("EventAcceptedCount", events, eventsHelp, "outcome", "accepted"),
		Rejected:            s.Counter("", events, eventsHelp, "outcome", "rejected"),
		Bytes:               s.Counter("", "flume_source_bytes_total", "Bytes of the bodies of accepted events, as they came in."),
		AppendReceived:      s.Counter("AppendReceivedCount", "", ""),
		AppendAccepted:      s.Counter("AppendAcceptedCount", "", ""),
		AppendBatchReceived: s.Counter("AppendBatchReceivedCount", "flume_source_batches_received_total", "Batches that came in, retries not counted again."),
		BatchAccepted:       s.Counter("AppendBatchAcceptedCount", "flume_source_batches_total", "Batches that every required channel holds."),
		OpenConnections:     s.Gauge("OpenConnectionCount", "flume_source_open_connections", "Connections open now."),
		ReadFail:            s.Counter("EventReadFail", "flume_source_read_failures_total", "Requests, lines or files that were refused or not readable."),
		ChannelWriteFail:    s.Counter("ChannelWriteFail", "flume_source_channel_write_failures_total", "Batches that a channel refused, each try counted."),
		Failures:            s.Counter("GenericProcessingFail", "flume_source_failures_total", "Other failures."),
	}
}

// ChannelCounters are the attributes of Flume's ChannelCounter that count; size, capacity and fill are read from the
// channel when asked for.
type ChannelCounters struct {
	PutAttempt, PutSuccess   *Counter // events
	TakeAttempt, TakeSuccess *Counter // events; attempts also count takes that found nothing
	Puts, RefusedPuts        *Counter // transactions
	Takes, Rollbacks         *Counter // transactions
	Blocked                  *Gauge   // seconds; the channel moves it
}

// NewChannel declares the attributes in s, or returns those that are there.
func NewChannel(s *Set) ChannelCounters {
	const puts, putsHelp = "flume_channel_puts_total", "Put-transactions by outcome; one that is rolled back left nothing behind."
	const takes, takesHelp = "flume_channel_takes_total", "Take-transactions by outcome."
	return ChannelCounters{
		PutAttempt:  s.Counter("EventPutAttemptCount", "flume_channel_events_put_attempted_total", "Events offered to the channel."),
		PutSuccess:  s.Counter("EventPutSuccessCount", "flume_channel_events_put_total", "Events the channel took."),
		TakeAttempt: s.Counter("EventTakeAttemptCount", "flume_channel_events_take_attempted_total", "Events asked of the channel."),
		TakeSuccess: s.Counter("EventTakeSuccessCount", "flume_channel_events_taken_total", "Events whose take was committed."),
		Puts:        s.Counter("", puts, putsHelp, "outcome", "commit"),
		RefusedPuts: s.Counter("", puts, putsHelp, "outcome", "rollback"),
		Takes:       s.Counter("", takes, takesHelp, "outcome", "commit"),
		Rollbacks:   s.Counter("", takes, takesHelp, "outcome", "rollback"),
		Blocked:     PutBlocked(s),
	}
}

// PutBlocked declares the seconds that a channel's puts waited for room.
func PutBlocked(s *Set) *Gauge {
	return s.Gauge("", "flume_channel_put_blocked_seconds_total", "Seconds that puts waited for room.")
}

// OldestAge declares the age in seconds of a channel's oldest event; each channel knows it as well as it can.
func OldestAge(s *Set, f func() float64) {
	s.Func("", "flume_channel_oldest_event_age_seconds",
		"Age of the oldest event that is not delivered: of a memory channel by samples, of a Kafka channel of what was read and not taken.", f)
}

// SinkCounters are the attributes of Flume's SinkCounter. The flow moves the batch, drain and delivery ones; a sink moves
// the connection ones.
type SinkCounters struct {
	ConnectionCreated, ConnectionClosed, ConnectionFailed *Counter
	BatchEmpty, BatchUnderflow, BatchComplete             *Counter
	DrainAttempt, DrainSuccess                            *Counter // events; success are those at the destination
	Dropped                                               *Counter // events that the user's onError dropped or filed, counted before their batch ends
	Retried                                               *Counter // events given back to the channel
	WriteFail, ChannelReadFail                            *Counter
	Backoff                                               *Gauge     // seconds
	Delivery                                              *Histogram // seconds from Write to its end
	Latency                                               *Histogram // seconds from the channel's Put to its commit
}

// NewOpenFiles declares the number of files that a sink has open for writing.
func NewOpenFiles(s *Set) *Gauge {
	return s.Gauge("", "flume_sink_open_files", "Files open for writing.")
}

// NewSink declares the attributes in s, or returns those that are there.
func NewSink(s *Set) SinkCounters {
	const events, eventsHelp = "flume_sink_events_total", "Events by outcome; what onError dropped or filed is dropped, and not delivered."
	const batches, batchesHelp = "flume_sink_batches_total", "Batches by how full they were."
	return SinkCounters{
		ConnectionCreated: s.Counter("ConnectionCreatedCount", "flume_sink_connections_created_total", "Connections or files opened."),
		ConnectionClosed:  s.Counter("ConnectionClosedCount", "flume_sink_connections_closed_total", "Connections or files closed."),
		ConnectionFailed:  s.Counter("ConnectionFailedCount", "flume_sink_connections_failed_total", "Connections or files that could not be opened or closed."),
		BatchEmpty:        s.Counter("BatchEmptyCount", batches, batchesHelp, "result", "empty"),
		BatchUnderflow:    s.Counter("BatchUnderflowCount", batches, batchesHelp, "result", "underflow"),
		BatchComplete:     s.Counter("BatchCompleteCount", batches, batchesHelp, "result", "complete"),
		DrainAttempt:      s.Counter("EventDrainAttemptCount", "flume_sink_events_attempted_total", "Events handed to the sink, retries counted again."),
		DrainSuccess:      s.Counter("EventDrainSuccessCount", events, eventsHelp, "outcome", "delivered"),
		Retried:           s.Counter("", events, eventsHelp, "outcome", "retried"),
		Dropped:           s.Counter("", events, eventsHelp, "outcome", "dropped"),
		WriteFail:         s.Counter("EventWriteFail", "flume_sink_write_failures_total", "Batches that failed."),
		ChannelReadFail:   s.Counter("ChannelReadFail", "flume_sink_channel_read_failures_total", "Takes or commits that failed in the channel."),
		Backoff:           s.Gauge("", "flume_sink_backoff_seconds", "How long the sink waits now before it tries again, 0 if it does not."),
		Delivery:          s.Histogram("flume_sink_delivery_duration_seconds", "Seconds from handing a batch to the sink to its end.", LatencyBounds),
		Latency:           s.Histogram("flume_event_latency_seconds", "Seconds from an event's acceptance by the channel to its delivery; the oldest event of a batch, of a memory channel a sample.", AgeBounds),
	}
}
