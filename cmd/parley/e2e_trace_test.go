package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// A collector takes the traces of a gateway.
type collector struct {
	*host
	t *testing.T

	mu    sync.Mutex
	text  bytes.Buffer // all that came
	spans []tracedSpan
}

// A tracedSpan is what the tests read of a span.
type tracedSpan struct {
	Trace  string `json:"traceId"`
	ID     string `json:"spanId"`
	Parent string `json:"parentSpanId"`
	Name   string `json:"name"`
	Links  []struct {
		Trace string `json:"traceId"`
	} `json:"links"`
	Facts []struct {
		Key   string `json:"key"`
		Value struct {
			Text string `json:"stringValue"`
			Int  string `json:"intValue"`
		} `json:"value"`
	} `json:"attributes"`
}

func (s *tracedSpan) fact(key string) string {
	for _, f := range s.Facts {
		if f.Key == key {
			return f.Value.Text + f.Value.Int
		}
	}
	return ""
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{t: t}
	c.host = newHost(t, c)
	return c
}

// ServeHTTP takes a batch.
func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var batch struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []tracedSpan `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		c.t.Errorf("a batch that is not compressed: %v", err)
		return
	}
	text, err := io.ReadAll(z)
	if err != nil || json.Unmarshal(text, &batch) != nil {
		c.t.Errorf("a batch that is no OTLP: %v: %s", err, text)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(text)
	for _, of := range batch.ResourceSpans {
		for _, in := range of.ScopeSpans {
			c.spans = append(c.spans, in.Spans...)
		}
	}
}

// about returns the spans of a trace by their names, and the one without a parent.
func (c *collector) about(trace string) (root tracedSpan, below map[string][]tracedSpan) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	below = map[string][]tracedSpan{}
	for _, s := range c.spans {
		switch {
		case s.Trace != trace:
		case s.Parent != "":
			below[s.Name] = append(below[s.Name], s)
		case root.ID != "":
			c.t.Errorf("trace %s begins with a %s and with a %s", trace, root.Name, s.Name)
		default:
			root = s
		}
	}
	for name, all := range below {
		for _, s := range all {
			if s.Parent != root.ID {
				c.t.Errorf("%s is below %s, not below its trace's beginning %q", name, s.Parent, root.ID)
			}
		}
	}
	return root, below
}

// traced makes a stage's gateway send its traces to a collector.
func traced(address string) func(*config) {
	return func(c *config) {
		c.getenv = func(name string) string {
			switch name {
			case "OTEL_EXPORTER_OTLP_ENDPOINT":
				return address
			case "OTEL_EXPORTER_OTLP_HEADERS":
				return "x-key=collector-secret"
			}
			return ""
		}
	}
}

// traceOf returns the trace and the span that a webhook's header names.
func traceOf(t *testing.T, h hook) (trace, span string) {
	t.Helper()
	part := strings.Split(h.parent, "-")
	if len(part) != 4 || part[0] != "00" || len(part[1]) != 32 || len(part[2]) != 16 || part[3] != "01" {
		t.Fatalf("%s has the traceparent %q", h.kind, h.parent)
	}
	return part[1], part[2]
}

// TestTraces: what happens to a message is one trace, from its callback or its
// request to the receiver, also when the gateway restarts in between, and nothing
// secret is in it.
func TestTraces(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		to := newCollector(t)
		s := newStage(t, database, traced(to.url()))
		s.say("ann", "a text that is nobody's business")
		conversation := s.crm.next("conversation/new")
		came := s.crm.next("message/new")
		s.crm.answer(func(http.ResponseWriter, hook) int { return http.StatusServiceUnavailable })
		behind := s.logs.lines.Total()
		job := s.post(conversation.Data.ExternalID, "an answer that is nobody's business")
		s.logs.await(t, behind, "webhook attempt", "status=503")
		s.stop()
		s.start()
		s.crm.answer(nil)
		went := s.crm.next("message/new")
		done := s.crm.next("job/executed")
		if done.Data.ID != job {
			t.Fatalf("executed: %+v", done)
		}
		s.stop()

		in, span := traceOf(t, came)
		root, below := to.about(in)
		if hooks := below["webhook"]; root.Name != "callback" || root.fact("provider") != "telegram" || root.fact("channel_id") != itoa(s.channel) ||
			root.fact("company_id") != itoa(s.company) || root.fact("events") != "1" || len(hooks) != 1 || hooks[0].ID != span || hooks[0].fact("status") != "200" || len(below) != 1 {
			t.Errorf("a message that came: %+v, %+v", root, below)
		}
		out, span := traceOf(t, went)
		root, below = to.about(out)
		hooks := below["webhook"]
		if root.Name != "accept" || root.fact("job_id") != itoa(job) || len(below["send"]) != 1 || below["send"][0].fact("kind") != "delivered" || len(hooks) < 3 || len(below) != 2 {
			t.Fatalf("a message that went: %+v, %+v", root, below)
		}
		if hooks[0].fact("status") != "503" || hooks[len(hooks)-1].fact("event") != "job/executed" || hooks[len(hooks)-2].ID != span {
			t.Errorf("webhooks of a message that went: %+v, the receiver was told %s", hooks, span)
		}
		if also, _ := traceOf(t, done); also != out || in == out {
			t.Errorf("traces: %s came, %s went, %s was done", in, out, also)
		}
		to.wantNothingSecret(s, conversation, came)
	})
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func (c *collector) wantNothingSecret(s *stage, seen ...hook) {
	c.t.Helper()
	secrets := []string{"business", s.api.token, stageBot, "stage-bot-secret", "collector-secret", s.crm.address, s.tg.address, "Ann", "shop", itoa(annID)}
	for _, h := range seen {
		if h.Data.Name != "" {
			secrets = append(secrets, h.Data.Name)
		}
	}
	text := c.text.String() + s.logs.String()
	for _, secret := range secrets[:5] {
		if strings.Contains(text, secret) {
			c.t.Errorf("%q is in the traces or the log", secret)
		}
	}
	for _, secret := range secrets[5:] {
		if strings.Contains(c.text.String(), secret) {
			c.t.Errorf("%q is in the traces", secret)
		}
	}
}

// TestTracesRepeated: a callback that comes again is a trace of its own and does not
// begin the message's a second time; one that is refused is none.
func TestTracesRepeated(t *testing.T) {
	t.Parallel()
	to := newCollector(t)
	s := newStage(t, "", traced(to.url()))
	f := newForger(s)
	f.wants(http.StatusOK, f.address, f.secret, update(1, "hello"))
	s.crm.next("conversation/new")
	trace, _ := traceOf(t, s.crm.next("message/new"))
	f.wants(http.StatusOK, f.address, f.secret, update(1, "hello"))
	f.wants(http.StatusUnauthorized, f.address, "wrong", update(2, "hello"))
	s.stop()
	root, _ := to.about(trace) // fails if there are two beginnings
	callbacks, repeated := 0, 0
	for _, span := range to.spans {
		if span.Name == "callback" {
			callbacks++
			if span.fact("duplicates") == "1" {
				repeated++
			}
		}
	}
	if root.Name != "callback" || callbacks != 2 || repeated != 1 {
		t.Errorf("%d callbacks, %d repeated, the message begins with %+v", callbacks, repeated, root)
	}
}

// TestTracesFile: the fetching of a file, and the news that it is there, are in the
// trace of the message that brought it, by whatever way that came.
func TestTracesFile(t *testing.T) {
	t.Parallel()
	for name, polled := range map[string]bool{"callback": false, "poll": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newCollector(t)
			s := newCloudStage(t, "", polled, traced(to.url()))
			if _, err := s.tg.Say(telegramsim.Line{Person: "ann", Content: []telegramsim.Content{{Kind: "photo"}}}); err != nil {
				t.Fatal(err)
			}
			s.crm.next("conversation/new")
			trace, _ := traceOf(t, s.crm.next("message/new"))
			if ready, _ := traceOf(t, s.crm.next("attachment/ready")); ready != trace {
				t.Errorf("the message is in %s, its file in %s", trace, ready)
			}
			s.stop()
			root, below := to.about(trace)
			fetched := below["fetch file"]
			if root.Name != name || len(fetched) != 1 || fetched[0].fact("result") != "fetched" || fetched[0].fact("attempt") != "1" || len(below["webhook"]) != 2 {
				t.Errorf("%+v, %+v", root, below)
			}
		})
	}
}

// TestTracesCollectorAway: with a collector that is not there, or that hangs,
// everything goes on as before, and a stop does not wait long.
func TestTracesCollectorAway(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gone", "hangs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			t.Cleanup(func() { close(release) })
			to := newHost(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
			if name == "gone" {
				to.down()
			}
			s := newStage(t, "", traced(to.url()))
			conversation := s.meet("ann", "hello")
			for _, text := range numbered("ann", 20) {
				s.delivered(s.post(conversation, text), text)
			}
			begun := time.Now()
			s.stop()
			if took := time.Since(begun); took > traceStop+patience/2 {
				t.Errorf("the stop took %v", took)
			}
			if name == "gone" && !strings.Contains(s.logs.String(), "traces are not exported") {
				t.Error("the log says nothing")
			}
		})
	}
}

// TestTracesWrongSetting: a variable that makes no sense stops the start, and is
// named.
func TestTracesWrongSetting(t *testing.T) {
	t.Parallel()
	s := bareStage(t, "", traced("collector-without-scheme"))
	g, err := newGateway(t.Context(), s.config(), s.config().logger(s.logs))
	if err == nil {
		_ = g.close()
	}
	if err == nil || !strings.Contains(sentence(err), "OTEL_EXPORTER_OTLP_ENDPOINT: want http") {
		t.Errorf("got %v", err)
	}
}
