package trace

import (
	"cmp"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/parley-im/parley"
)

// tracesPath is where a collector takes traces, below its base.
// Source: OTLP specification, "OTLP/HTTP Request", read 2026-11.
const tracesPath = "/v1/traces"

// defaultTimeout is that of one request.
// Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter", read 2026-11.
const defaultTimeout = 10 * time.Second

// settings are what the environment says.
type settings struct {
	endpoint *url.URL
	headers  http.Header
	timeout  time.Duration // of one request
	plain    bool          // bodies are not compressed
	roots    *x509.CertPool
	sampler  sdktrace.Sampler
	facts    []attribute.KeyValue // about this process
}

// environment reads the variables of OpenTelemetry.
type environment func(name string) string

// exporter reads a variable that may be set for traces alone, and returns the name
// that it has.
func (env environment) exporter(rest string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_TRACES_" + rest
	if value = strings.TrimSpace(env(name)); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + rest
	return name, strings.TrimSpace(env(name))
}

// wrong is the error about a variable. It does not repeat the value, which may be
// a secret.
func wrong(name, want string) error {
	return parley.Errorf(parley.KindInvalid, name+": want "+want)
}

// readSettings returns nil if no traces are wanted.
func readSettings(getenv func(string) string) (*settings, error) {
	env := environment(getenv)
	name, endpoint := env.exporter("ENDPOINT")
	exporter := strings.TrimSpace(env("OTEL_TRACES_EXPORTER"))
	if endpoint == "" || exporter == "none" || strings.EqualFold(strings.TrimSpace(env("OTEL_SDK_DISABLED")), "true") {
		return nil, nil
	}
	if exporter != "" && exporter != "otlp" {
		return nil, wrong("OTEL_TRACES_EXPORTER", "otlp or none")
	}
	s := &settings{}
	if err := s.readEndpoint(name, endpoint); err != nil {
		return nil, err
	}
	for _, read := range []func(environment) error{s.readProtocol, s.readHeaders, s.readTimeout, s.readRoots, s.readSampler, s.readFacts} {
		if err := read(env); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *settings) readEndpoint(name, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return wrong(name, "http:// or https:// and a host")
	}
	if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		u = u.JoinPath(tracesPath)
	} else if u.Path == "" {
		u.Path = "/"
	}
	s.endpoint = u
	return nil
}

func (s *settings) readProtocol(env environment) error {
	if name, value := env.exporter("PROTOCOL"); value == "grpc" {
		return wrong(name, "http/json, and the collector's port for HTTP, usually 4318, in the endpoint")
	}
	name, value := env.exporter("COMPRESSION")
	switch value {
	case "", "gzip":
	case "none":
		s.plain = true
	default:
		return wrong(name, "gzip or none")
	}
	return nil
}

func (s *settings) readHeaders(env environment) error {
	name, value := env.exporter("HEADERS")
	pairs, ok := parsePairs(value)
	if !ok {
		return wrong(name, "name=value,…")
	}
	s.headers = http.Header{}
	for _, p := range pairs {
		s.headers.Set(p[0], p[1])
	}
	return nil
}

// parsePairs reads name=value,… with values in percent-encoding.
func parsePairs(text string) (pairs [][2]string, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || name == "" || err != nil {
			return nil, false
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, true
}

func (s *settings) readTimeout(env environment) error {
	name, value := env.exporter("TIMEOUT")
	s.timeout = defaultTimeout
	if value == "" {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n <= 0 {
		return wrong(name, "milliseconds, more than 0")
	}
	s.timeout = time.Duration(n) * time.Millisecond
	return nil
}

func (s *settings) readRoots(env environment) error {
	name, file := env.exporter("CERTIFICATE")
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	s.roots = x509.NewCertPool()
	if err != nil || !s.roots.AppendCertsFromPEM(text) {
		return wrong(name, "a file with certificates in PEM that can be read")
	}
	return nil
}

// readSampler reads who decides. What is based on the parent is decided by the
// trace's id all the same: no trace of ours has a parent elsewhere.
func (s *settings) readSampler(env environment) error {
	const name = "OTEL_TRACES_SAMPLER"
	switch strings.TrimPrefix(strings.ToLower(strings.TrimSpace(env(name))), "parentbased_") {
	case "", "always_on":
		s.sampler = sdktrace.AlwaysSample()
	case "always_off":
		s.sampler = sdktrace.NeverSample()
	case "traceidratio":
		ratio, err := strconv.ParseFloat(cmp.Or(strings.TrimSpace(env(name+"_ARG")), "1"), 64)
		if err != nil || !(ratio >= 0 && ratio <= 1) {
			return wrong(name+"_ARG", "a number from 0 to 1")
		}
		s.sampler = sdktrace.TraceIDRatioBased(ratio)
	default:
		return wrong(name, "always_on, always_off or traceidratio, with or without parentbased_")
	}
	return nil
}

func (s *settings) readFacts(env environment) error {
	const name = "OTEL_RESOURCE_ATTRIBUTES"
	pairs, ok := parsePairs(env(name))
	if !ok {
		return wrong(name, "name=value,…")
	}
	if service := strings.TrimSpace(env("OTEL_SERVICE_NAME")); service != "" {
		pairs = append(pairs, [2]string{"service.name", service})
	}
	for _, p := range pairs {
		s.facts = append(s.facts, attribute.String(p[0], p[1]))
	}
	return nil
}
