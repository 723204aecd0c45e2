package telegram

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	wave := "\U0001f44b" // two UTF-16 units
	para := strings.Repeat("a", 3000)
	tests := []struct {
		name, text string
		want       []string
	}{
		{"short", "hello", []string{"hello"}},
		{"exact", "  *hello* <b>\n", []string{"  *hello* <b>\n"}},
		{"limit", strings.Repeat("a", 4096), []string{strings.Repeat("a", 4096)}},
		{"over", strings.Repeat("a", 4097), []string{strings.Repeat("a", 4096), "a"}},
		{"cyrillic at limit", strings.Repeat("я", 4096), []string{strings.Repeat("я", 4096)}},
		{"surrogates at limit", strings.Repeat(wave, 2048), []string{strings.Repeat(wave, 2048)}},
		{"surrogates over", strings.Repeat(wave, 2049), []string{strings.Repeat(wave, 2048), wave}},
		{"surrogate over the edge", strings.Repeat("a", 4095) + wave, []string{strings.Repeat("a", 4095), wave}},
		{"paragraphs", para + "\n\n" + para, []string{para, para}},
	}
	c := open(t, envOf(nil))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := &parley.Message{ID: 42, Text: tt.text}
			parts, err := c.Plan(m)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, p := range parts {
				got = append(got, p.Text)
				if p.Message != m || p.Index != i || p.Count != len(tt.want) {
					t.Errorf("part %d: got index %d of %d, message %p, want of %d and %p", i, p.Index, p.Count, p.Message, len(tt.want), m)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("texts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanKeys(t *testing.T) {
	t.Parallel()
	c := open(t, envOf(nil))
	m := &parley.Message{ID: 42, Text: strings.Repeat("a", 9000)}
	first, _ := c.Plan(m)
	again, _ := c.Plan(m)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("two plans of one message differ:\n%s", diff)
	}
	other, _ := c.Plan(&parley.Message{ID: 43, Text: m.Text})
	seen := map[string]bool{}
	for _, p := range append(first, other...) {
		if p.Key == "" || seen[p.Key] {
			t.Errorf("key %q is empty or used twice", p.Key)
		}
		seen[p.Key] = true
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		m    parley.Message
		want parley.Kind
	}{
		{"empty", parley.Message{}, parley.KindInvalid},
		{"spaces", parley.Message{Text: " \n\t\u00a0"}, parley.KindInvalid},
		{"many spaces", parley.Message{Text: strings.Repeat(" ", 10000)}, parley.KindInvalid},
		{"location", parley.Message{Text: "here", Location: &parley.Location{}}, parley.KindUnsupported},
	}
	c := open(t, envOf(nil))
	for _, tt := range tests {
		if parts, err := c.Plan(&tt.m); parley.KindOf(err) != tt.want || parts != nil {
			t.Errorf("%s: got %d parts and %v, want kind %s", tt.name, len(parts), err, tt.want)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add("hello", 1)
	f.Add(" \U0001f44b\u200d\n\n. ", 3000)
	f.Add("a\xff\xf0b", 9000)
	c := open(f, envOf(nil))
	f.Fuzz(func(t *testing.T, seed string, times int) {
		text := strings.Repeat(seed, min(max(times, 0), parley.MaxText/max(len(seed), 1)))
		parts, err := c.Plan(&parley.Message{ID: 1, Text: text})
		if blank := strings.TrimSpace(text) == ""; blank != (err != nil) {
			t.Fatalf("a blank text is %t, got error %v", blank, err)
		}
		var joined strings.Builder
		for _, p := range parts {
			if n := parley.UTF16Len(p.Text); n > maxText || len(p.Text) > 32768 || strings.TrimSpace(p.Text) == "" {
				t.Fatalf("part %d of %d has %d units", p.Index, p.Count, n)
			}
			if utf8.ValidString(text) && !utf8.ValidString(p.Text) {
				t.Fatalf("part %d is cut within a rune", p.Index)
			}
			joined.WriteString(squeeze(p.Text))
		}
		if err == nil && joined.String() != squeeze(text) {
			t.Fatal("the parts together do not say what the text says")
		}
	})
}

func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}
