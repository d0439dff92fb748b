// Package kafka measures the Kafka sink's producer and the Kafka source beside other clients, on a real broker, in one run:
//
//	cd bench/kafka && GOFLUME_REAL=1 go test -run '^$' -bench . -benchtime 1x -timeout 60m .
//
// It is a module of its own, so that the client that is measured beside ours is nothing the program needs.
// Peers take turns; the median of three rounds counts. CPU is the client process's own, the kernel's work for it included.
package kafka
