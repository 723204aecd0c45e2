package parley_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-im/parley"
)

// TestChannelStates walks every pair: a state that nothing leads to, or that is
// not in the list, is a mistake.
func TestChannelStates(t *testing.T) {
	t.Parallel()
	reached := map[parley.ChannelState]bool{parley.ChannelConnecting: true}
	for _, from := range parley.ChannelStates() {
		for _, to := range parley.ChannelStates() {
			if from.CanBecome(to) {
				reached[to] = true
				if from == to || from == parley.ChannelDeleted {
					t.Errorf("%s may become %s", from, to)
				}
			}
		}
		if from != parley.ChannelDeleted && !from.CanBecome(parley.ChannelDeleted) {
			t.Errorf("%s cannot be deleted", from)
		}
		if from != parley.ChannelDeleted && from != parley.ChannelDisabled && !from.CanBecome(parley.ChannelDisabled) {
			t.Errorf("%s cannot be disabled", from)
		}
	}
	if len(reached) != len(parley.ChannelStates()) {
		t.Errorf("%d of %d states can be reached", len(reached), len(parley.ChannelStates()))
	}
}

func TestJobStates(t *testing.T) {
	t.Parallel()
	want := map[[2]parley.JobState]bool{
		{parley.JobWaiting, parley.JobReady}: true, {parley.JobWaiting, parley.JobNotDelivered}: true,
		{parley.JobReady, parley.JobSending}: true, {parley.JobReady, parley.JobNotDelivered}: true,
		{parley.JobSending, parley.JobReady}: true, {parley.JobSending, parley.JobDelivered}: true, {parley.JobSending, parley.JobNotDelivered}: true,
	}
	for _, from := range parley.JobStates() {
		for _, to := range parley.JobStates() {
			if got := from.CanBecome(to); got != want[[2]parley.JobState{from, to}] {
				t.Errorf("%s to %s: %v", from, to, got)
			}
		}
		if from.Open() != (from != parley.JobDelivered && from != parley.JobNotDelivered) {
			t.Errorf("%s open: %v", from, from.Open())
		}
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	t.Parallel()
	s := parley.Secret("plain")
	holder := struct{ S parley.Secret }{s}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%s %q %x %v %+v %#v %d", s, s, s, s, s, s, s), fmt.Sprintf("%+v %#v", holder, holder), log.String(), string(encoded),
	} {
		if strings.Contains(text, "plain") || strings.Contains(text, "706c61696e") || !strings.Contains(text, "***") {
			t.Errorf("printed %q", text)
		}
	}
	if s.Reveal() != "plain" {
		t.Error("Reveal does not reveal")
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	wrapped := fmt.Errorf("send part: %w", &parley.Error{Kind: parley.KindRejected, Message: "refused", Err: cause})
	tests := []struct {
		err    error
		kind   parley.Kind
		reason string
	}{
		{nil, "", "internal error"},
		{cause, parley.KindInternal, "internal error"},
		{wrapped, parley.KindRejected, "refused"},
		{parley.Errorf(parley.KindInternal, "secret detail"), parley.KindInternal, "internal error"},
		{&parley.Error{Kind: parley.KindThrottled}, parley.KindThrottled, "throttled"},
	}
	for _, tt := range tests {
		if got := parley.KindOf(tt.err); got != tt.kind {
			t.Errorf("kind of %v: %s, want %s", tt.err, got, tt.kind)
		}
		if got := parley.Reason(tt.err); got != tt.reason {
			t.Errorf("reason of %v: %q, want %q", tt.err, got, tt.reason)
		}
	}
	if !errors.Is(wrapped, cause) {
		t.Error("the cause is lost")
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		ok   bool
	}{{"1.5", true}, {"0.0", true}, {"", false}, {"1", false}, {"1.", false}, {"-1.5", false}, {"1.5.6", false}, {"a.b", false}, {"+1.5", false}, {"01.5", false}, {"1.05", false}, {"1.-0", false}, {"1.5 ", false}} {
		c, err := parley.ParseCursor(tt.text)
		if (err == nil) != tt.ok || (tt.ok && c.String() != tt.text) {
			t.Errorf("%q: %v %v", tt.text, c, err)
		}
	}
}

func TestUTF16Len(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "abc": 3, "привет": 6, "😀": 2, "\xff": 1} {
		if got := parley.UTF16Len(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// TestShardsAreEven: ids come singly on SQLite and in steps on PostgreSQL; either
// way the companies are spread over all shards.
func TestShardsAreEven(t *testing.T) {
	t.Parallel()
	for _, step := range []int{1, 3, 64, 128, 4096} {
		count := map[parley.Shard]int{}
		const companies = 64 * parley.Shards
		for n := range companies {
			s := parley.CompanyID(1 + n*step).Shard()
			if s < 0 || s >= parley.Shards {
				t.Fatalf("shard %d", s)
			}
			count[s]++
		}
		for s, n := range count {
			if n > 3*companies/parley.Shards {
				t.Errorf("step %d: shard %d has %d companies of %d", step, s, n, companies)
			}
		}
		if len(count) < parley.Shards*9/10 {
			t.Errorf("step %d: only %d shards are used", step, len(count))
		}
	}
}

// FuzzParseCursor: what is read is written back the same.
func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"1.5", "0.0", "1.05", "+1.5", "1.-0", "1.5 ", "9223372036854775807.9223372036854775807", "9223372036854775808.1", "1.5.6", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parley.ParseCursor(text)
		if err != nil {
			if parley.KindOf(err) != parley.KindInvalid || c != (parley.Cursor{}) {
				t.Errorf("%q: %v %v", text, c, err)
			}
			return
		}
		if c.String() != text || c.Epoch < 0 || c.Seq < 0 {
			t.Errorf("%q is read as %v", text, c)
		}
	})
}

// TestEventKinds: the list has every kind that is declared, once.
func TestEventKinds(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[parley.EventKind]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\tEvent\w+ +(?:EventKind +)?= "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		declared[parley.EventKind(m[1])] = true
	}
	listed := parley.EventKinds()
	for _, kind := range listed {
		if !declared[kind] {
			t.Errorf("%s is listed twice, or not declared", kind)
		}
		delete(declared, kind)
	}
	if len(declared) > 0 || len(listed) < 20 {
		t.Errorf("not listed: %v", declared)
	}
}
