package netcatudp

import (
	"context"
	"net"
	"strconv"

	"goflume/internal/probe"
)

var _ probe.Prober = (*Source)(nil)

// Probe tells whether the port is free.
func (s *Source) Probe(ctx context.Context) (string, error) {
	return probe.Listen(ctx, "udp", net.JoinHostPort(s.settings.Bind, strconv.Itoa(s.settings.Port)))
}
