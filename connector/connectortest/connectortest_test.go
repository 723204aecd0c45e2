package connectortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
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

// minimal is a suite of a network that has nothing beside texts.
func minimal() Suite {
	s := Suite{Provider: provider{}}
	for name := range s.features() {
		s.Lacks = append(s.Lacks, name)
	}
	return s
}

type provider struct{ spec connector.Spec }

func (p provider) Spec() connector.Spec { return p.spec }

func (provider) Open(context.Context, *parley.Channel, connector.Env) (connector.Client, error) {
	return nil, errors.New("not in this test")
}

func (s *Suite) has(name string) {
	s.Lacks = slices.DeleteFunc(s.Lacks, func(lack string) bool { return lack == name })
}

func TestOptionFaults(t *testing.T) {
	t.Parallel()
	photo := Saying{Kind: "photo", Want: connector.Message{Files: []connector.File{{Kind: parley.FilePhoto}}}}
	says := func(s *Suite, one Saying) { s.Says = append(s.Says, one); s.has(one.Kind) }
	place := func(name string) connector.Message { return connector.Message{Location: &parley.Location{Name: name}} }
	tests := []struct {
		name string
		set  func(*Suite)
		want int
	}{
		{"good", func(*Suite) {}, 0},
		{"photo", func(s *Suite) { says(s, photo) }, 0},
		{"not lacking", func(s *Suite) { s.has("fetch") }, 1},
		{"given and lacking", func(s *Suite) { s.Says = []Saying{photo} }, 1},
		{"unknown lack", func(s *Suite) { s.Lacks = append(s.Lacks, "holograms") }, 1},
		{"unknown kind", func(s *Suite) { s.Says = []Saying{{Kind: "hologram"}} }, 1},
		{"other kind of file", func(s *Suite) {
			says(s, Saying{Kind: "voice", Want: connector.Message{Files: []connector.File{{Kind: parley.FileAudio}}}})
		}, 1},
		{"photo with words", func(s *Suite) { one := photo; one.Want.Text = "a photo"; says(s, one) }, 1},
		{"place with a name", func(s *Suite) { says(s, Saying{Kind: "location", Want: place("Shop")}) }, 1},
		{"venue", func(s *Suite) { says(s, Saying{Kind: "venue", Want: place("Shop")}) }, 0},
		{"venue without a name", func(s *Suite) { says(s, Saying{Kind: "venue", Want: place("")}) }, 1},
		{"contact", func(s *Suite) { says(s, Saying{Kind: "contact", Want: connector.Message{Text: "Bob Lee, +1202"}}) }, 0},
		{"contact without plus", func(s *Suite) { says(s, Saying{Kind: "contact", Want: connector.Message{Text: "Bob, 1202"}}) }, 1},
		{"poll in a line", func(s *Suite) { says(s, Saying{Kind: "poll", Want: connector.Message{Text: "Tea? Yes No"}}) }, 1},
		{"dice", func(s *Suite) { says(s, Saying{Kind: "dice", Want: connector.Message{Text: "🎲 4"}}) }, 0},
		{"album without photos", func(s *Suite) { s.Album = &Play{}; s.has("album") }, 1},
		{"album", func(s *Suite) { says(s, photo); s.Album = &Play{}; s.has("album") }, 0},
		{"nameless strange", func(s *Suite) { s.Strange = []Strange{{Name: "x"}}; s.has("unsupported") }, 1},
		{"pace for groups", func(s *Suite) { s.Provider = provider{connector.Spec{Pace: connector.Pace{GroupPerMin: 1}}} }, 1},
		{"several files", func(s *Suite) { s.Provider = provider{connector.Spec{MaxFiles: 10}} }, 1},
		{"no carries", func(s *Suite) { s.Files = &Sending{}; s.has("files") }, 1},
		{"no group picture", func(s *Suite) { s.Groups, s.Profile = &Groups{}, &Profiling{}; s.has("groups"); s.has("profile") }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := minimal()
			tt.set(&s)
			if got := s.optionFaults(); len(got) != tt.want {
				t.Errorf("got %q, want %d", got, tt.want)
			}
		})
	}
}

func TestUnder(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]bool{
		"/file/bot1/x": true, "/file/bot1/a/b.c": true, "/file/bot1/a%2Fb": true, "/file/bot1/a..b": true, "/file/bot2/x": false, "/x": false,
		"/file/bot1/../x": false, "/file/bot1/..": false, "/file/bot1/./x": false, "/file/bot1/x?y": false, "": false,
		"/file/bot1/..%2fx": false, "/file/bot1/%2e%2E/x": false,
	} {
		if got := under(target, []string{"/file/bot1/", "/get"}); got != want {
			t.Errorf("%q: got %t, want %t", target, got, want)
		}
	}
}

func TestNewSample(t *testing.T) {
	t.Parallel()
	known := map[string]string{}
	for kind := range labels {
		for n := range 3 {
			s := newSample(kind, n)
			if other, taken := known[s.sum()]; taken && other != labels[kind][1] || s.name == "" || s.mime == "" {
				t.Errorf("%s %d: the bytes of another kind, or no name or type", kind, n)
			}
			if again := newSample(kind, n); again.sum() != s.sum() {
				t.Errorf("%s %d is not the same each time", kind, n)
			}
			known[s.sum()] = s.mime
		}
	}
	if img, format, err := image.DecodeConfig(bytes.NewReader(newSample("photo", 1).data)); err != nil || format != "jpeg" ||
		img.Width != PictureWidth || img.Height != PictureHeight {
		t.Errorf("the photo is %s of %d × %d, error %v", format, img.Width, img.Height, err)
	}
}

func TestShelf(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	id := s.put(whole([]byte("bytes")))
	r, n, err := s.Open(t.Context(), &parley.Attachment{ID: id})
	if err != nil || n != 5 || s.open() != 1 {
		t.Fatalf("got %d bytes, error %v, %d open, want 5 and 1 open", n, err, s.open())
	}
	if data, err := io.ReadAll(r); string(data) != "bytes" || err != nil {
		t.Errorf("got %q, error %v", data, err)
	}
	for range 2 {
		if err := r.Close(); err != nil || s.open() != 0 {
			t.Errorf("closed: error %v, %d open, want none", err, s.open())
		}
	}
	if _, _, err := s.Open(t.Context(), &parley.Attachment{ID: 7}); parley.KindOf(err) != parley.KindNotFound {
		t.Errorf("a file that is not there: got %v, want not found", err)
	}
}
