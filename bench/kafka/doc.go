// Package kafka measures the Kafka sink's producer and the Kafka source beside other clients, on a real broker, in one run:
//
//	GOFLUME_REAL=1 go test -run '^$' -bench . -benchtime 1x -timeout 60m ./bench/kafka
//
// Peers take turns; the median of three rounds counts. CPU is the client process's own, the kernel's work for it included.
package kafka
