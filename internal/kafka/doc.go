// Package kafka is what the Kafka source, sink and channel share: Java's client property names as settings of IBM/sarama, a producer
// of record batches and a group consumer.
//
// The producer stands on Sarama's connections and not on its AsyncProducer: a transaction becomes one record batch a partition,
// five requests are in flight on a connection, and the sequence numbers that make a retry idempotent are given here. Batches are
// encoded here too, each record once, and travel in a request of Sarama's (see envelope.go). One goroutine, the loop, owns all of its state; whatever else happens (an answer, a look-up, a new transaction)
// is a function run by the loop. Nothing waits without a deadline: every connection can be given up from outside.
//
// What the code must keep, as the broker judges it (Kafka's KIP-98):
//
//   - Batches are numbered at their first send, in queue order; then they are neither merged nor re-ordered nor renumbered.
//   - A partition with a failed batch sends nothing more until none of its batches is in flight, then all again from the first.
//   - The first batch of an epoch goes to its partition alone.
//   - A partition's requests go through one connection at a time.
//   - When the broker refuses the number of a first unacknowledged batch, all partitions drain and go on with the next epoch,
//     from number 0: the only place where this producer itself can write twice, and counted.
package kafka
