package trace

import (
	"encoding/hex"
	"strings"

	oteltrace "go.opentelemetry.io/otel/trace"
)

// linkTo returns a link to what a traceparent header names, none if it is not
// valid: it is a client's text.
// Source: W3C Trace Context, "traceparent Header Field Values", read 2026-11.
func linkTo(header string) []oteltrace.Link {
	part := strings.Split(header, "-")
	if len(part) < 4 || len(header) > 512 || part[0] == "00" && len(part) != 4 || part[0] == "ff" {
		return nil
	}
	_, okVersion := lowerHex(part[0], 1)
	trace, okTrace := lowerHex(part[1], 16)
	span, okSpan := lowerHex(part[2], 8)
	flags, okFlags := lowerHex(part[3], 1)
	if !okVersion || !okTrace || !okSpan || !okFlags {
		return nil
	}
	sc := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID(trace), SpanID: oteltrace.SpanID(span), TraceFlags: oteltrace.TraceFlags(flags[0]) & oteltrace.FlagsSampled, Remote: true,
	})
	if !sc.IsValid() {
		return nil
	}
	return []oteltrace.Link{{SpanContext: sc}}
}

// lowerHex decodes so many bytes, written with small letters alone.
func lowerHex(text string, size int) ([]byte, bool) {
	b, err := hex.DecodeString(text)
	return b, err == nil && len(b) == size && text == strings.ToLower(text)
}
