package main

// The component types of this program: what is not imported here does not exist for its users.
import (
	_ "goflume/channels/file"
	_ "goflume/channels/kafka"
	_ "goflume/channels/memory"
	_ "goflume/sinks/elasticsearch"
	_ "goflume/sinks/fileroll"
	_ "goflume/sinks/hdfs"
	_ "goflume/sinks/kafka"
	_ "goflume/sinks/logger"
	_ "goflume/sinks/null"
	_ "goflume/sources/exec"
	_ "goflume/sources/kafka"
	_ "goflume/sources/netcat"
	_ "goflume/sources/netcatudp"
	_ "goflume/sources/seq"
	_ "goflume/sources/spooldir"
	_ "goflume/sources/stress"
	_ "goflume/sources/taildir"
	_ "goflume/sources/twitter"
)
