package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-im/parley"
)

// A request is what the series of API requests are told apart by.
type request struct {
	method, route string
	class         int // of the status: 2 is 2xx
}

type requestMeters struct {
	total prometheus.Counter
	time  prometheus.Observer
}

var classes = [...]string{other, "1xx", "2xx", "3xx", "4xx", "5xx"}

func (m *Metrics) registerRequests() {
	total := m.counters("parley_http_requests_total", "Requests to the API, by the pattern of their route and the class of their status.", "method", "route", "status")
	took := m.times("parley_http_request_duration_seconds", "From an API request's arrival to its answer.", quick, "method", "route")
	m.requests.make = func(r request) *requestMeters {
		return &requestMeters{total.WithLabelValues(r.method, r.route, classes[r.class]), took.WithLabelValues(r.method, r.route)}
	}
}

// Request counts an API request. Method and route must come from closed sets.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	class := status / 100
	if class < 1 || class >= len(classes) {
		class = 0
	}
	r := m.requests.get(request{method, route, class})
	r.total.Inc()
	r.time.Observe(took.Seconds())
}

func (m *Metrics) registerStreams() {
	m.streams = m.gauges("parley_event_streams", "Streams of events that customers have open.").WithLabelValues()
}

// Streaming counts the streams that are open.
func (m *Metrics) Streaming(open bool) {
	if open {
		m.streams.Inc()
		return
	}
	m.streams.Dec()
}

type webhookMeters struct {
	attempts  map[parley.Kind]prometheus.Counter
	took      prometheus.Observer
	delivered prometheus.Observer
	parked    prometheus.Counter
}

func (m *Metrics) registerWebhooks() {
	attempts := m.counters("parley_webhook_attempts_total", "Requests to customers' receivers, by the kind of their failure, or delivered.", "outcome")
	m.webhooks = webhookMeters{
		attempts: map[parley.Kind]prometheus.Counter{"": attempts.WithLabelValues(delivered)},
		took:     m.times("parley_webhook_attempt_duration_seconds", "How long receivers took to answer.", quick).WithLabelValues(),
		delivered: m.times("parley_webhook_delivery_seconds", "From the storing of an event to its delivery to a receiver, replays left out.",
			slow).WithLabelValues(),
		parked: m.counters("parley_webhook_parked_total", "Events that became dead letters.").WithLabelValues(),
	}
	for _, kind := range parley.Kinds() {
		m.webhooks.attempts[kind] = attempts.WithLabelValues(string(kind))
	}
}

// WebhookAttempted counts a request to a receiver; kind is that of its failure,
// "" if the event was taken.
func (m *Metrics) WebhookAttempted(kind parley.Kind, took time.Duration) {
	c := m.webhooks.attempts[kind]
	if c == nil {
		c = m.webhooks.attempts[parley.KindInternal]
	}
	c.Inc()
	m.webhooks.took.Observe(took.Seconds())
}

// WebhookDelivered times a delivery from the storing of its event.
func (m *Metrics) WebhookDelivered(after time.Duration) {
	m.webhooks.delivered.Observe(after.Seconds())
}

// WebhookParked counts a dead letter.
func (m *Metrics) WebhookParked() { m.webhooks.parked.Inc() }

type writerMeters struct{ items, took, commit prometheus.Observer }

func (m *Metrics) registerWriter() {
	sizes := prometheus.ExponentialBuckets(1, 2, 11) // to 1024
	m.writer = writerMeters{
		items: m.times("parley_writer_batch_items", "How many writes shared a commit.", sizes).WithLabelValues(),
		took: m.times("parley_writer_batch_duration_seconds", "How long a batch kept its writer busy, commit included.",
			quick).WithLabelValues(),
		commit: m.times("parley_writer_commit_duration_seconds", "How long commits took: the disk, or the way to PostgreSQL.",
			quick).WithLabelValues(),
	}
}

// Batch measures a batch of the store's writer.
func (m *Metrics) Batch(items int, took, commit time.Duration) {
	m.writer.items.Observe(float64(items))
	m.writer.took.Observe(took.Seconds())
	m.writer.commit.Observe(commit.Seconds())
}
