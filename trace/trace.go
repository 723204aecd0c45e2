package trace

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/parley-im/parley"
)

// scope names what made the spans.
const scope = "github.com/parley-im/parley"

// Options says what a Tracer is made of. All must be set.
type Options struct {
	// Getenv reads the environment, where the standard variables are: os.Getenv.
	Getenv func(name string) string
	// Key returns the installation's key, which every node knows. It is asked only
	// if traces are wanted.
	Key     func() ([]byte, error)
	Version string // of the program
	Node    string // the name of this node
	Log     *slog.Logger
}

// A Tracer makes spans and sends them. Its methods do not block, but for Shutdown,
// and are safe for concurrent use.
type Tracer struct {
	key      []byte
	sampler  sdktrace.Sampler
	provider *sdktrace.TracerProvider
	tracer   oteltrace.Tracer
	exporter *exporter
	end      sync.Once
}

// New returns a Tracer, which a Shutdown must end, or nil if the environment asks
// for none. An error of KindInvalid names the variable that is wrong.
func New(o Options) (*Tracer, error) {
	s, err := readSettings(o.Getenv)
	if s == nil || err != nil {
		return nil, err
	}
	key, err := o.Key()
	if err != nil {
		return nil, err
	}
	e, err := newExporter(s, o.Version, o.Log)
	if err != nil {
		return nil, err
	}
	facts := []attribute.KeyValue{
		attribute.String("service.name", "parley"), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Node),
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e), sdktrace.WithIDGenerator(generator{}), sdktrace.WithSampler(s.sampler),
		sdktrace.WithResource(resource.NewSchemaless(append(facts, s.facts...)...)))
	o.Log.Info("traces are on", "to", s.endpoint.Host, "sampler", s.sampler.Description())
	return &Tracer{key: key, sampler: s.sampler, provider: p, tracer: p.Tracer(scope, oteltrace.WithInstrumentationVersion(o.Version)), exporter: e}, nil
}

// Shutdown sends what waits, trying once, and blocks until that is done or ctx
// ends. The spans that come afterwards are dropped. A second call does nothing.
func (t *Tracer) Shutdown(ctx context.Context) (err error) {
	t.end.Do(func() {
		t.exporter.hurry()
		err = t.provider.Shutdown(ctx)
		t.exporter.cut()
	})
	return err
}

// A span is what is told of something that is over.
type span struct {
	name  string
	kind  oteltrace.SpanKind
	begun time.Time
	took  time.Duration
	fault parley.Kind // "": it went well
	links []oteltrace.Link
	facts []attribute.KeyValue
}

// sampled reports whether a trace is wanted.
func (t *Tracer) sampled(id oteltrace.TraceID) bool {
	return t.sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id}).Decision == sdktrace.RecordAndSample
}

func (t *Tracer) add(p place, s *span) {
	if !t.sampled(p.trace) {
		return
	}
	_, made := t.tracer.Start(p.context(), s.name, oteltrace.WithTimestamp(s.begun), oteltrace.WithSpanKind(s.kind),
		oteltrace.WithAttributes(s.facts...), oteltrace.WithLinks(s.links...))
	if s.fault != "" {
		made.SetStatus(codes.Error, string(s.fault))
	}
	made.End(oteltrace.WithTimestamp(s.begun.Add(max(0, s.took))))
}
