package main

import (
	"context"
	"os/signal"
	"syscall"

	"goflume/channels/file/tool"
)

var channelVerb = verb{name: "channel", usage: tool.Usage, does: "look at, check, repair or import the files of a file channel", more: tool.Help,
	run: func(o *options, std streams) int {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return tool.Run(ctx, o.args, plain(std.out), std.err)
	}}

func init() { verbs = append(verbs, channelVerb) }
