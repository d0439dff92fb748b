package admin

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// DefaultMonitoringPort is where Flume's metrics server listens.
const DefaultMonitoringPort = 41414

// Monitoring is what the system properties `flume.monitoring.*` ask for.
type Monitoring struct {
	Type string // http, prometheus or ganglia; empty: none
	Host string // to listen on
	Port int

	// Of ganglia.
	Hosts []string      // host:port of each gmond
	Every time.Duration // between two reports
	Old   bool          // in the format of Ganglia 3.0
}

// ParseMonitoring reads the properties, given without `flume.monitoring.` by get. An error says what this agent does not
// have; the flow does not depend on it.
func ParseMonitoring(get func(name string) string) (Monitoring, error) {
	m := Monitoring{Type: get("type"), Host: get("host"), Port: DefaultMonitoringPort}
	switch m.Type {
	case "", "http", "prometheus":
	case "org.apache.flume.instrumentation.http.HTTPMetricsServer":
		m.Type = "http"
	case "org.apache.flume.instrumentation.http.PrometheusHTTPMetricsServer":
		m.Type = "prometheus"
	case "ganglia", "org.apache.flume.instrumentation.GangliaServer":
		m.Type = "ganglia"
		return m, m.gangliaSettings(get)
	default:
		return Monitoring{}, fmt.Errorf("flume.monitoring.type=%s: not known; http, prometheus and ganglia are, Java classes cannot be loaded", m.Type)
	}
	if s := get("port"); s != "" {
		port, err := strconv.Atoi(s)
		if err != nil || port < 0 || port > 65535 {
			return Monitoring{}, fmt.Errorf("flume.monitoring.port=%s: not a port number from 0 to 65535", s)
		}
		m.Port = port
	}
	if m.Host == "" {
		m.Host = "0.0.0.0"
	}
	return m, nil
}

// Addr returns host:port.
func (m Monitoring) Addr() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }
