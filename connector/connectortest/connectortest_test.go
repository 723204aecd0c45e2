package connectortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func TestTraceLeaks(t *testing.T) {
	t.Parallel()
	const half, rest = "AAplantedSecret", "ThatNobodySees/x+yz"
	secret := parley.Secret("7000000001:" + half + rest)
	tests := []struct {
		name string
		show func(*trace)
		want bool
	}{
		{"nothing", func(tr *trace) { tr.note("hello from 7000000001") }, false},
		{"whole", func(tr *trace) { tr.note("POST /bot" + secret.Reveal() + "/send") }, true},
		{"without the account", func(tr *trace) { tr.note(half + rest) }, true},
		{"a half", func(tr *trace) { tr.note("key=" + half + "…") }, true},
		{"escaped", func(tr *trace) { tr.note("bot7000000001%3AAAplantedSecretThatNobodySees%2Fx%2Byz") }, true},
		{"wrapped", func(tr *trace) { tr.error(fmt.Errorf("send: %w", hides{errors.New(secret.Reveal())})) }, true},
		{"error", func(tr *trace) { tr.error(&parley.Error{Message: "no", Err: errors.New(secret.Reveal())}) }, true},
		{"log", func(tr *trace) { _, _ = tr.Write([]byte(secret.Reveal())) }, true},
		{"masked", func(tr *trace) { tr.note(fmt.Sprint(secret)) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr := &trace{}
			tr.guard("7000000001", map[string]parley.Secret{"token": secret, "short": "x"})
			tt.show(tr)
			if got := len(tr.leaks()) > 0; got != tt.want {
				t.Errorf("leaks: got %t, want %t", got, tt.want)
			}
		})
	}
}

// hides shows a text only to those who unwrap it.
type hides struct{ cause error }

func (h hides) Error() string              { return "hidden" }
func (h hides) Unwrap() error              { return h.cause }
func (h hides) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("hidden")) }

func TestSpecFaults(t *testing.T) {
	t.Parallel()
	good := connector.Spec{Name: "sample", Title: "Sample", Fields: []connector.Field{{Name: "token", Secret: true}},
		BaseURL: "https://api.sample.test", BaseEnv: "SAMPLE_URL", MaxBody: 1, CallbackDeadline: time.Second}
	tests := []struct {
		name  string
		spoil func(*connector.Spec)
		want  int
	}{
		{"good", func(*connector.Spec) {}, 0},
		{"name", func(s *connector.Spec) { s.Name = "Sample" }, 1},
		{"title", func(s *connector.Spec) { s.Title = "" }, 1},
		{"plain http", func(s *connector.Spec) { s.BaseURL = "http://api.sample.test" }, 1},
		{"slash", func(s *connector.Spec) { s.BaseURL += "/" }, 1},
		{"variable", func(s *connector.Spec) { s.BaseEnv = "PARLEY_SAMPLE_URL" }, 1},
		{"body", func(s *connector.Spec) { s.MaxBody = 0 }, 1},
		{"deadline", func(s *connector.Spec) { s.CallbackDeadline = 0 }, 1},
		{"negative pace", func(s *connector.Spec) { s.Pace.GroupPerMin = -1 }, 1},
		{"no burst", func(s *connector.Spec) { s.Pace.PerSecond = 1 }, 1},
		{"no chat burst", func(s *connector.Spec) { s.Pace.ChatPerSecond = 1 }, 1},
		{"no secret", func(s *connector.Spec) { s.Fields = nil }, 1},
		{"reserved", func(s *connector.Spec) {
			s.Fields = append(s.Fields, connector.Field{Name: parley.SecretCallbackPath})
		}, 1},
		{"twice", func(s *connector.Spec) { s.Fields = append(s.Fields, s.Fields[0]) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := good
			tt.spoil(&s)
			if got := specFaults(s, Abilities{Callback: true}); len(got) != tt.want {
				t.Errorf("got %q, want %d", got, tt.want)
			}
		})
	}
}

func TestGrown(t *testing.T) {
	t.Parallel()
	got := grown(map[string]any{"a": []any{map[string]any{"b": "c"}}})
	inner := got.(map[string]any)["a"].([]any)[0].(map[string]any)
	if len(inner) != 3 || inner["b"] != "c" || len(got.(map[string]any)) != 3 {
		t.Errorf("got %v, want two more members in each object", got)
	}
}

func TestNumbered(t *testing.T) {
	t.Parallel()
	text := numbered(1000)
	words := strings.Fields(text)
	if len(text) > 1000 || len(text) < 900 || words[len(words)-1] != fmt.Sprintf("word%d", len(words)-1) {
		t.Errorf("got %d bytes ending in %q, want numbered words up to 1000", len(text), words[len(words)-1])
	}
}

func TestEnding(t *testing.T) {
	t.Parallel()
	ctx, end := ending(t.Context(), context.DeadlineExceeded)
	child, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	if ctx.Err() != nil || child.Err() != nil {
		t.Fatalf("ended before the signal: %v", ctx.Err())
	}
	end()
	<-child.Done()
	if !errors.Is(child.Err(), context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", child.Err())
	}
}

func TestUnique(t *testing.T) {
	t.Parallel()
	a := connector.Event{ID: "1", Chat: connector.Chat{ID: "5"}, What: connector.Message{Text: "x"}}
	edit, moved := a, a
	edit.What = connector.Edit{Text: "y"}
	moved.Chat.ID = "6"
	w := &world{}
	if diff := cmp.Diff([]connector.Event{a, edit, moved}, w.unique([]connector.Event{a, edit, a, moved, edit})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
