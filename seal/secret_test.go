package seal_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley/seal"
)

const text = "hunter2-çorrect"

// holder has a Secret in every position in which fmt treats it differently.
type holder struct {
	Public  seal.Secret
	private seal.Secret
	Pointer *seal.Secret
	List    []seal.Secret
	Map     map[string]seal.Secret
	Any     any
}

func newHolder() holder {
	s := seal.NewSecret(text)
	return holder{s, s, &s, []seal.Secret{s}, map[string]seal.Secret{"k": s}, s}
}

// leaks reports whether out holds the text plain, in hex, quoted, or as bytes.
func leaks(out string) bool {
	h := newHolder()
	plain := h.private.Reveal()
	forms := []string{
		plain, "hunter2", fmt.Sprintf("%x", plain), fmt.Sprintf("%X", plain), fmt.Sprintf("% x", plain),
		strings.Trim(fmt.Sprint([]byte(plain)), "[]"), strings.Trim(fmt.Sprintf("%#v", []byte(plain)), "[]byte{}"),
	}
	for _, f := range forms {
		if strings.Contains(out, f) {
			return true
		}
	}
	return false
}

func TestSecretPrints(t *testing.T) {
	t.Parallel()
	verbs := []string{
		"%v", "%+v", "%#v", "%s", "%q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%t", "%c", "%U", "%f", "%e", "%b", "%o",
		"%T", "%p", "%10s", "%.3s", "%-20v", "%z",
	}
	s := seal.NewSecret(text)
	for _, verb := range verbs {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			for _, v := range []any{s, &s, newHolder(), []any{s}, errors.New(fmt.Sprint("bad ", s))} {
				if out := fmt.Sprintf(verb, v); leaks(out) {
					t.Errorf("Sprintf(%q, %T) shows the secret: %s", verb, v, out)
				}
			}
			if got := fmt.Sprintf(verb, s); verb != "%T" && verb != "%p" && got != "***" {
				t.Errorf("Sprintf(%q) = %s, want ***", verb, got)
			}
		})
	}
	if got := fmt.Sprint(seal.Secret{}) + s.String() + s.GoString(); got != "*********" {
		t.Errorf("got %s, want only asterisks", got)
	}
	if err := fmt.Errorf("login with %s: %w", s, errors.New("no")); leaks(err.Error()) {
		t.Errorf("the error shows the secret: %v", err)
	}
}

func TestSecretLogsAndMarshals(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "secret", seal.NewSecret(text), "holder", newHolder(), "group", slog.GroupValue(slog.Any("s", seal.NewSecret(text))))
	}
	data, err := json.Marshal(newHolder())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := xml.Marshal(seal.NewSecret(text))
	if err != nil {
		t.Fatal(err)
	}
	all := out.String() + string(data) + string(doc)
	if leaks(all) {
		t.Errorf("the secret is shown:\n%s", all)
	}
	if n := strings.Count(all, "***"); n < 10 {
		t.Errorf("%d masks in the output, want at least 10:\n%s", n, all)
	}
	want := `{"s":"***"}`
	got, err := json.Marshal(map[string]seal.Secret{"s": seal.NewSecret(text)})
	if err != nil || string(got) != want {
		t.Errorf("json: got %s, %v, want %s", got, err, want)
	}
}

func TestSecretHolds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		a, b     seal.Secret
		equal    bool
		zero     bool
		revealed string
	}{
		{"zero is empty", seal.Secret{}, seal.NewSecret(""), true, true, ""},
		{"same text", seal.NewSecret("x"), seal.NewSecret("x"), true, false, "x"},
		{"other text", seal.NewSecret("x"), seal.NewSecret("y"), false, false, "x"},
		{"other length", seal.NewSecret("x"), seal.Secret{}, false, false, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.a.Equal(tt.b); got != tt.equal {
				t.Errorf("Equal = %v, want %v", got, tt.equal)
			}
			if got := cmp.Equal(tt.a, tt.b); got != tt.equal {
				t.Errorf("cmp.Equal = %v, want %v", got, tt.equal)
			}
			if tt.a.IsZero() != tt.zero || tt.a.Reveal() != tt.revealed {
				t.Errorf("IsZero %v, Reveal %q; want %v, %q", tt.a.IsZero(), tt.a.Reveal(), tt.zero, tt.revealed)
			}
		})
	}
}

func TestSecretIsNotStoredNorDecoded(t *testing.T) {
	t.Parallel()
	if v, err := seal.NewSecret(text).Value(); err == nil || v != nil || leaks(err.Error()) {
		t.Errorf("Value = %v, %v; want an error without the text", v, err)
	}
	var s seal.Secret
	if err := json.Unmarshal([]byte(`"***"`), &s); err == nil {
		t.Error("a mask was decoded into a secret")
	}
}
