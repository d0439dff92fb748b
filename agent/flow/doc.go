// Package flow moves events: an Inlet takes the batches of a source through interceptors and selector into channels, an
// Outlet takes them out of channels and has a sink, or the sinks of a group, write them. Take, write and commit exist
// here and nowhere else: no source sees a channel, no sink a transaction.
//
// An inlet lives as long as its source and a Sink as long as its sink; what they are connected to is swapped between two
// batches by Rewire. Work is done per batch, and nothing is allocated per event.
package flow
