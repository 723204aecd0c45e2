package webhook

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"pgregory.net/rapid"
)

func TestNewPolicy(t *testing.T) {
	t.Parallel()
	retries := func(n int) *int { return &n }
	delay := func(d time.Duration) *time.Duration { return &d }
	tests := []struct {
		name    string
		policy  string
		retries *int
		delay   *time.Duration
		want    []time.Duration
		jitter  float64
	}{
		{"pact", PolicyPact, nil, nil, seconds(60, 60, 60, 60, 60, 60, 60, 60, 60, 60), 0},
		{"pact, two retries", PolicyPact, retries(2), nil, seconds(60, 60), 0},
		{"pact, no retries", PolicyPact, retries(0), nil, seconds(), 0},
		{"pact, twelve", PolicyPact, retries(12), delay(MinDelay), seconds(.01, .01, .01, .01, .01, .01, .01, .01, .01, .01, .01, .01), 0},
		{"standard", PolicyStandard, nil, nil, seconds(5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400), jitter},
		{"standard, three", PolicyStandard, retries(3), nil, seconds(5, 300, 1800), jitter},
		{"standard, eleven", PolicyStandard, retries(11), nil, seconds(5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, 86400, 86400), jitter},
		{"standard, a delay", PolicyStandard, retries(2), delay(time.Second), seconds(1, 1), jitter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := NewPolicy(tt.policy, tt.retries, tt.delay)
			if err != nil || p.jitter != tt.jitter {
				t.Fatalf("got jitter %v, error %v", p.jitter, err)
			}
			var got []time.Duration
			for n := 1; ; n++ {
				pause, again := p.after(n)
				if !again {
					break
				}
				if base := p.base(n); pause < base || float64(pause) > float64(base)*(1+tt.jitter) || p.longest(n) < pause {
					t.Errorf("pause %d: got %v for %v, at most %v", n, pause, base, p.longest(n))
				}
				got = append(got, p.base(n))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("pauses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewPolicyRefuses(t *testing.T) {
	t.Parallel()
	negative, many, short := -1, MaxRetries+1, MinDelay-1
	for want, make := range map[string]func() (Policy, error){
		"webhook-policy must be pact or standard": func() (Policy, error) { return NewPolicy("other", nil, nil) },
		"webhook-retries must be 0 to 1000":       func() (Policy, error) { return NewPolicy(PolicyPact, &negative, nil) },
		"webhook-delay must be at least 10ms":     func() (Policy, error) { return NewPolicy(PolicyPact, nil, &short) },
	} {
		if _, err := make(); parley.KindOf(err) != parley.KindInvalid || parley.Reason(err) != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := NewPolicy(PolicyStandard, &many, nil); err == nil {
		t.Error("too many retries were accepted")
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	m := newMemory()
	good := Config{Store: m, Grants: m, HTTP: newReceiver(always(200)), Log: quietLog(), Policy: pact(t)}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"Store":   func(c *Config) { c.Store = nil },
		"Grants":  func(c *Config) { c.Grants = nil },
		"HTTP":    func(c *Config) { c.HTTP = nil },
		"Log":     func(c *Config) { c.Log = nil },
		"Policy":  func(c *Config) { c.Policy = Policy{} },
		"Timeout": func(c *Config) { c.Timeout = -1 },
		"Pool":    func(c *Config) { c.Pool = -1 },
		"Memory":  func(c *Config) { c.Memory = -1 },
		"Grace":   func(c *Config) { c.Grace = -1 },
	} {
		cfg := good
		spoil(&cfg)
		_, err := New(cfg)
		if want := "webhook: " + name + " is missing or out of range"; parley.KindOf(err) != parley.KindInvalid || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestWindow compares the window with a map.
func TestWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := window{base: rapid.Int64Range(0, 3).Draw(t, "base")}
		top, open := w.base, map[int64]parley.StreamID{}
		for range rapid.IntRange(1, 5000).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				gap := rapid.IntRange(0, 20).Draw(t, "gap") / 20
				top += int64(1 + gap)
				s := parley.StreamID(rapid.IntRange(0, 5).Draw(t, "stream"))
				w.add(top, s)
				if s != 0 {
					open[top] = s
				}
			case 3, 4:
				seq := w.base + rapid.Int64Range(-2, 10).Draw(t, "seq")
				w.settle(seq)
				delete(open, seq)
			case 5:
				s := parley.StreamID(rapid.IntRange(1, 40).Draw(t, "stream"))
				w.settleStream(s)
				for seq := range open {
					if open[seq] == s {
						delete(open, seq)
					}
				}
			}
			wantWindow(t, &w, top, open)
		}
	})
}

func wantWindow(t *rapid.T, w *window, top int64, open map[int64]parley.StreamID) {
	oldest := top + 1
	for seq := range open {
		oldest = min(oldest, seq)
	}
	span := top + 1 - oldest
	if w.top() != top || w.base != oldest-1 || w.size() != int(span) || w.oldest() != open[oldest] || w.uneven() != (span > int64(len(open))) {
		t.Fatalf("got base %d, top %d, size %d, oldest %d, uneven %t; want base %d, top %d and %v open",
			w.base, w.top(), w.size(), w.oldest(), w.uneven(), oldest-1, top, open)
	}
}
