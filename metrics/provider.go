package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-im/parley"
)

// other is the label of what is not among the known values.
const other = "other"

// delivered is the kind of an attempt that had no error.
const delivered = "delivered"

// Outcomes of a callback. Results of an event are the inbox's words.
var (
	callbackOutcomes = []string{"taken", "refused", "too_large", "busy"}
	eventResults     = []string{"stored", "duplicate", "ignored", "quarantined", "dropped"}
)

// A provider has the series of one provider, resolved.
type provider struct {
	callbacks    map[string]prometheus.Counter
	callbackTime prometheus.Observer
	events       map[string]prometheus.Counter
	sends        map[parley.Kind]prometheus.Counter
	sendTime     prometheus.Observer
	ended        [2]prometheus.Counter // not delivered, delivered
	deliverTime  prometheus.Observer
	circuits     prometheus.Gauge
}

// registerProviders resolves every series of every provider, so that each is
// there, as 0, before anything happens.
func (m *Metrics) registerProviders(names []string) {
	callbacks := m.counters("parley_callbacks_total", "Callbacks answered, by what they came to.", "provider", "outcome")
	callbackTime := m.times("parley_callback_duration_seconds", "From a callback's arrival to its answer; what was stored is committed by then.", quick, "provider")
	events := m.counters("parley_events_total", "Events from providers, by any way, by what became of them.", "provider", "result")
	sends := m.counters("parley_sends_total", "Requests to providers to send a part, by the kind of their error, or delivered.", "provider", "kind")
	sendTime := m.times("parley_send_duration_seconds", "How long providers took to answer a request to send.", quick, "provider")
	ended := m.counters("parley_jobs_ended_total", "Jobs that ended.", "provider", "result")
	deliverTime := m.times("parley_job_delivery_seconds", "From the acceptance of a message to its delivery to the provider.", slow, "provider")
	circuits := m.gauges("parley_circuits_open", "Channels whose provider has failed so often that only probes go out.", "provider")
	resolve := func(name string) *provider {
		p := &provider{
			callbacks: map[string]prometheus.Counter{}, callbackTime: callbackTime.WithLabelValues(name),
			events: map[string]prometheus.Counter{}, sends: map[parley.Kind]prometheus.Counter{}, sendTime: sendTime.WithLabelValues(name),
			ended:       [2]prometheus.Counter{ended.WithLabelValues(name, "not_delivered"), ended.WithLabelValues(name, delivered)},
			deliverTime: deliverTime.WithLabelValues(name), circuits: circuits.WithLabelValues(name),
		}
		for _, outcome := range callbackOutcomes {
			p.callbacks[outcome] = callbacks.WithLabelValues(name, outcome)
		}
		for _, result := range eventResults {
			p.events[result] = events.WithLabelValues(name, result)
		}
		for _, kind := range parley.Kinds() {
			p.sends[kind] = sends.WithLabelValues(name, string(kind))
		}
		p.sends[""] = sends.WithLabelValues(name, delivered)
		return p
	}
	m.providers, m.other = map[string]*provider{}, resolve(other)
	for _, name := range names {
		m.providers[name] = resolve(name)
	}
}

func (m *Metrics) provider(name string) *provider {
	if p := m.providers[name]; p != nil {
		return p
	}
	return m.other
}

// Callback counts the answer to a callback, by its HTTP status.
func (m *Metrics) Callback(provider string, status int, took time.Duration) {
	p := m.provider(provider)
	p.callbacks[callbackOutcome(status)].Inc()
	p.callbackTime.Observe(took.Seconds())
}

func callbackOutcome(status int) string {
	switch {
	case status < 300:
		return "taken"
	case status == 413:
		return "too_large"
	case status >= 500:
		return "busy"
	}
	return "refused"
}

// Received counts events by what became of them: stored, duplicate, ignored,
// quarantined or dropped.
func (m *Metrics) Received(provider, result string, events int) {
	if c := m.provider(provider).events[result]; c != nil {
		c.Add(float64(events))
	}
}

// PartSent counts a request to a provider; kind is that of its error, "" if the
// part was taken.
func (m *Metrics) PartSent(provider string, kind parley.Kind, took time.Duration) {
	p := m.provider(provider)
	c := p.sends[kind]
	if c == nil {
		c = p.sends[parley.KindInternal]
	}
	c.Inc()
	p.sendTime.Observe(took.Seconds())
}

// JobEnded counts a job that ended, and times those that were delivered.
func (m *Metrics) JobEnded(provider string, ok bool, after time.Duration) {
	p := m.provider(provider)
	p.ended[int(flag(ok))].Inc()
	if ok {
		p.deliverTime.Observe(after.Seconds())
	}
}

// Circuit counts the circuits that are open.
func (m *Metrics) Circuit(provider string, open bool) {
	p := m.provider(provider)
	if open {
		p.circuits.Inc()
		return
	}
	p.circuits.Dec()
}
