package trace

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// What follows is a request of OTLP in JSON: ids in hexadecimal, integers of 64
// bits as texts, enumerations as numbers.
// Source: OTLP specification, "JSON Protobuf Encoding", and opentelemetry-proto,
// trace.proto, read 2026-11.
type (
	jsonRequest struct {
		ResourceSpans []jsonResourceSpans `json:"resourceSpans"`
	}
	jsonResourceSpans struct {
		Resource   jsonResource     `json:"resource"`
		ScopeSpans []jsonScopeSpans `json:"scopeSpans"`
	}
	jsonResource struct {
		Attributes []jsonAttribute `json:"attributes"`
	}
	jsonScopeSpans struct {
		Scope jsonScope  `json:"scope"`
		Spans []jsonSpan `json:"spans"`
	}
	jsonScope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	jsonSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		ParentID   string          `json:"parentSpanId,omitempty"`
		Flags      uint32          `json:"flags"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []jsonAttribute `json:"attributes,omitempty"`
		Links      []jsonLink      `json:"links,omitempty"`
		Status     *jsonStatus     `json:"status,omitempty"`
	}
	jsonLink struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
		Flags   uint32 `json:"flags"`
	}
	jsonStatus struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code"`
	}
	jsonAttribute struct {
		Key   string    `json:"key"`
		Value jsonValue `json:"value"`
	}
	// One of them is set.
	jsonValue struct {
		String *string `json:"stringValue,omitempty"`
		Int    *string `json:"intValue,omitempty"`
		Bool   *bool   `json:"boolValue,omitempty"`
	}
)

// Flags of a span, beside those of W3C: whether its parent, or what a link names,
// was made in another process. We never know, and say that it may be.
const (
	flagHasRemote = 0x100
	flagRemote    = 0x200
)

const statusError = 2

// encode returns the request for spans of one Tracer, at least one.
func encode(spans []sdktrace.ReadOnlySpan) *jsonRequest {
	first := spans[0]
	of := jsonScopeSpans{
		Scope: jsonScope{first.InstrumentationScope().Name, first.InstrumentationScope().Version},
		Spans: make([]jsonSpan, len(spans)),
	}
	for i, s := range spans {
		of.Spans[i] = encodeSpan(s)
	}
	return &jsonRequest{[]jsonResourceSpans{{jsonResource{encodeFacts(first.Resource().Attributes())}, []jsonScopeSpans{of}}}}
}

func encodeSpan(s sdktrace.ReadOnlySpan) jsonSpan {
	at := s.SpanContext()
	j := jsonSpan{
		TraceID: at.TraceID().String(), SpanID: at.SpanID().String(), Flags: uint32(at.TraceFlags()) | flagHasRemote,
		Name: s.Name(), Kind: int(s.SpanKind()), Start: nano(s.StartTime()), End: nano(s.EndTime()), Attributes: encodeFacts(s.Attributes()),
	}
	if s.Parent().IsValid() {
		j.ParentID, j.Flags = s.Parent().SpanID().String(), j.Flags|flagRemote
	}
	for _, l := range s.Links() {
		j.Links = append(j.Links, encodeLink(l.SpanContext))
	}
	if s.Status().Code == codes.Error {
		j.Status = &jsonStatus{s.Status().Description, statusError}
	}
	return j
}

func encodeLink(to oteltrace.SpanContext) jsonLink {
	return jsonLink{to.TraceID().String(), to.SpanID().String(), uint32(to.TraceFlags()) | flagHasRemote | flagRemote}
}

func nano(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func encodeFacts(facts []attribute.KeyValue) []jsonAttribute {
	all := make([]jsonAttribute, len(facts))
	for i, f := range facts {
		all[i] = jsonAttribute{string(f.Key), encodeValue(f.Value)}
	}
	return all
}

// encodeValue encodes the types that this package uses; another would be a text.
func encodeValue(v attribute.Value) jsonValue {
	switch v.Type() {
	case attribute.INT64:
		n := strconv.FormatInt(v.AsInt64(), 10)
		return jsonValue{Int: &n}
	case attribute.BOOL:
		b := v.AsBool()
		return jsonValue{Bool: &b}
	}
	text := v.String()
	return jsonValue{String: &text}
}
