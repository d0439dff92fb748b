// Package bench measures the program side by side with what it is compared to, in the same run on the same machine:
//
//	go test -run '^$' -bench . ./bench/
//
// Runs are made in pairs, one after the other, and the ratio of the medians is what counts: the machine's own noise hits
// both. A benchmark with a floor fails below it.
package bench
