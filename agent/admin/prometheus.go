package admin

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"goflume/agent"
	"goflume/internal/metric"
)

// newNative returns a gatherer of every attribute under its name for Prometheus, the agent's own state, and the process.
func newNative(sets *metric.Registry, status func() agent.Status) prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		nativeCollector{sets}, agentCollector{status},
	)
	return r
}

// newLegacy returns a gatherer of the attributes under the names of Flume's own Prometheus server: `Flume_` and the name
// of the MBean's attribute, with the component's name as the only label.
func newLegacy(sets *metric.Registry) prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(legacyCollector{sets})
	return r
}

// nativeCollector reads the sets when it is asked. It describes nothing beforehand: components come and go.
type nativeCollector struct{ sets *metric.Registry }

func (nativeCollector) Describe(chan<- *prometheus.Desc) {}

func (c nativeCollector) Collect(out chan<- prometheus.Metric) {
	help := map[string]string{} // one text for each name, whichever component says it first
	for _, s := range c.sets.Sets() {
		component := strings.ToLower(string(s.Kind))
		for _, a := range s.Attrs() {
			if a.Prom == "" || a.Text != nil {
				continue
			}
			if help[a.Prom] == "" {
				help[a.Prom] = a.Help
			}
			names := []string{"agent", component, "type"}
			values := []string{s.Agent, s.Name, s.Type}
			for i := 0; i+1 < len(a.Labels); i += 2 {
				names, values = append(names, a.Labels[i]), append(values, a.Labels[i+1])
			}
			desc := prometheus.NewDesc(a.Prom, help[a.Prom], names, nil)
			switch {
			case a.Counter != nil:
				out <- constMetric(desc, prometheus.CounterValue, float64(a.Counter.Value()), values)
			case a.Gauge != nil:
				out <- constMetric(desc, kindOf(a.Prom), a.Gauge.Value(), values)
			case a.Histogram != nil:
				count, sum, buckets := a.Histogram.Snapshot()
				m, err := prometheus.NewConstHistogram(desc, count, sum, buckets, values...)
				if err != nil {
					m = prometheus.NewInvalidMetric(desc, err)
				}
				out <- m
			case a.Func != nil:
				out <- constMetric(desc, kindOf(a.Prom), a.Func(), values)
			}
		}
	}
}

// kindOf says what a number is that is no Counter: one that only grows, such as seconds, has the name of one.
func kindOf(name string) prometheus.ValueType {
	if strings.HasSuffix(name, "_total") {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

// constMetric wraps a value; what Prometheus refuses becomes a metric that reports its own error.
func constMetric(desc *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) prometheus.Metric {
	m, err := prometheus.NewConstMetric(desc, kind, v, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

type legacyCollector struct{ sets *metric.Registry }

func (legacyCollector) Describe(chan<- *prometheus.Desc) {}

// Collect tells components of different kinds that have the same name and an attribute in common apart by the kind.
func (c legacyCollector) Collect(out chan<- prometheus.Metric) {
	type series struct{ name, component string }
	shown := map[series]bool{}
	for _, s := range c.sets.Sets() {
		for _, a := range s.Attrs() {
			if a.Flume == "" || a.Hidden {
				continue
			}
			name, kind, v := "Flume_"+a.Flume, prometheus.GaugeValue, 0.0
			switch {
			case a.Counter != nil:
				name, kind, v = name+"_total", prometheus.CounterValue, float64(a.Counter.Value())
			case a.Gauge != nil:
				v = a.Gauge.Value()
			case a.Func != nil:
				v = a.Func()
			default:
				continue // a text
			}
			component := s.Name
			if shown[series{name, component}] {
				component = string(s.Kind) + "." + s.Name
			}
			shown[series{name, component}] = true
			out <- constMetric(prometheus.NewDesc(name, "Flume's "+a.Flume+".", []string{"component"}, nil), kind, v, []string{component})
		}
	}
}

// agentCollector shows the build and the configuration in force.
type agentCollector struct{ status func() agent.Status }

var (
	buildInfo   = prometheus.NewDesc("flume_build_info", "Version of the program; the value is always 1.", []string{"version", "revision", "goversion"}, nil)
	generation  = prometheus.NewDesc("flume_config_generation", "Generation of the configuration, counted from the start.", []string{"agent"}, nil)
	reloadOK    = prometheus.NewDesc("flume_config_last_reload_successful", "1 if the last load was taken over, 0 if it was refused.", []string{"agent"}, nil)
	reloadTime  = prometheus.NewDesc("flume_config_last_reload_success_timestamp_seconds", "When the running generation was loaded.", []string{"agent"}, nil)
	rejectedNum = prometheus.NewDesc("flume_config_rejected_components", "Components left out for errors in their configuration.", []string{"agent"}, nil)
	compState   = prometheus.NewDesc("flume_component_state", "1 for the state that the component is in.", []string{"agent", "kind", "component", "state"}, nil)
	compErrors  = prometheus.NewDesc("flume_component_failures_total", "Failures of the component since the start.", []string{"agent", "kind", "component"}, nil)
)

func (agentCollector) Describe(chan<- *prometheus.Desc) {}

func (c agentCollector) Collect(out chan<- prometheus.Metric) {
	st := c.status()
	flag := map[bool]float64{true: 1}
	name := []string{st.Agent}
	out <- constMetric(buildInfo, prometheus.GaugeValue, 1, []string{st.Version, st.Revision, goVersion})
	out <- constMetric(generation, prometheus.GaugeValue, float64(st.Generation), name)
	out <- constMetric(reloadOK, prometheus.GaugeValue, flag[st.ReloadOK], name)
	if !st.Loaded.IsZero() {
		out <- constMetric(reloadTime, prometheus.GaugeValue, float64(st.Loaded.UnixMilli())/1000, name)
	}
	out <- constMetric(rejectedNum, prometheus.GaugeValue, float64(st.Rejected), name)
	for _, cs := range st.Components {
		kind := strings.ToLower(string(cs.Kind))
		out <- constMetric(compState, prometheus.GaugeValue, 1, []string{st.Agent, kind, cs.Name, string(cs.State)})
		out <- constMetric(compErrors, prometheus.CounterValue, float64(cs.Errors), []string{st.Agent, kind, cs.Name})
	}
}
