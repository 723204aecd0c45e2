package trace

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/parley-im/parley"
)

// A place is where a span belongs.
type place struct {
	trace  oteltrace.TraceID
	span   oteltrace.SpanID // of the span itself
	parent oteltrace.SpanID // zero: it has none
}

// subject says what a trace is about.
type subject byte

const (
	aboutMessage subject = 'm'
	aboutEvent   subject = 'e'
	aboutFile    subject = 'f'
	anAttempt    subject = 'a' // not a trace, but a span of a webhook
)

// derive returns what is always the same for the same subject and numbers, and
// says nothing about them to those who do not know the key.
func (t *Tracer) derive(about subject, numbers ...int64) [sha256.Size]byte {
	mac := hmac.New(sha256.New, t.key)
	text := []byte{byte(about)}
	for _, n := range numbers {
		text = binary.BigEndian.AppendUint64(text, uint64(n))
	}
	_, _ = mac.Write(text) // a hash takes everything
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return sum
}

// root returns the place of the first span of a subject's trace.
func (t *Tracer) root(about subject, numbers ...int64) place {
	sum := t.derive(about, numbers...)
	var p place
	copy(p.trace[:], sum[:])
	copy(p.span[:], sum[len(p.trace):])
	return p
}

func (t *Tracer) ofMessage(id parley.MessageID) place { return t.root(aboutMessage, int64(id)) }

// below returns a new place under p.
func (p place) below() place { return place{trace: p.trace, span: newSpanID(), parent: p.span} }

// beside returns a new place in the trace of p, which has no first span.
func (p place) beside() place { return place{trace: p.trace, span: newSpanID()} }

// anywhere returns a place in a trace of its own.
func anywhere() place {
	var p place
	binary.NativeEndian.PutUint64(p.trace[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(p.trace[8:], rand.Uint64()|1)
	p.span = newSpanID()
	return p
}

func newSpanID() (id oteltrace.SpanID) {
	binary.NativeEndian.PutUint64(id[:], rand.Uint64()|1) // zero is no id
	return id
}

// context returns one from which generator takes the place's ids.
func (p place) context() context.Context {
	ctx := context.WithValue(context.Background(), placeKey{}, p)
	if !p.parent.IsValid() {
		return ctx
	}
	return oteltrace.ContextWithRemoteSpanContext(ctx, spanContext(p.trace, p.parent))
}

func spanContext(trace oteltrace.TraceID, span oteltrace.SpanID) oteltrace.SpanContext {
	return oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: trace, SpanID: span, TraceFlags: oteltrace.FlagsSampled, Remote: true,
	})
}

type placeKey struct{}

// A generator gives spans the ids of their places. Spans are made in span alone,
// so there is always one.
type generator struct{}

// NewIDs returns the ids of a span without a parent.
func (generator) NewIDs(ctx context.Context) (oteltrace.TraceID, oteltrace.SpanID) {
	p, _ := ctx.Value(placeKey{}).(place)
	return p.trace, p.span
}

// NewSpanID returns the id of a span with a parent.
func (generator) NewSpanID(ctx context.Context, _ oteltrace.TraceID) oteltrace.SpanID {
	p, _ := ctx.Value(placeKey{}).(place)
	return p.span
}
