package telegramsim

import (
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/simulator"
)

func TestParseHTML(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, text string
		want     []entity
	}{
		{"plain", "plain", nil},
		{"<b>a</b><strong>b</strong>", "ab", []entity{{Type: "bold", Length: 1}, {Type: "bold", Offset: 1, Length: 1}}},
		{"😀<I>я</I>", "😀я", []entity{{Type: "italic", Offset: 2, Length: 1}}},
		{"<u>a<s>b</s></u>", "ab", []entity{{Type: "underline", Length: 2}, {Type: "strikethrough", Offset: 1, Length: 1}}},
		{"<b></b>x", "x", nil},
		{`<a href="http://a.test/?x=1&amp;y=2">go</a>`, "go", []entity{{Type: "text_link", Length: 2, URL: "http://a.test/?x=1&y=2"}}},
		{"<a>http://a.test</a>", "http://a.test", []entity{{Type: "text_link", Length: 13, URL: "http://a.test"}}},
		{"<tg-spoiler>x</tg-spoiler><span class='tg-spoiler'>y</span>", "xy", []entity{{Type: "spoiler", Length: 1}, {Type: "spoiler", Offset: 1, Length: 1}}},
		{"<blockquote expandable>x</blockquote>", "x", []entity{{Type: "expandable_blockquote", Length: 1}}},
		{`<pre><code class="language-go">x</code></pre>`, "x", []entity{{Type: "pre", Length: 1, Language: "go"}}},
		{`<pre>a<code class="language-go">x</code></pre>`, "ax", []entity{{Type: "pre", Length: 2}, {Type: "code", Offset: 1, Length: 1}}},
		{`<code>x</code>`, "x", []entity{{Type: "code", Length: 1}}},
		{`<tg-emoji emoji-id=5>x</tg-emoji>`, "x", []entity{{Type: "custom_emoji", Length: 1, CustomEmojiID: "5"}}},
		{"&lt;&gt;&amp;&quot;&#65;&#x42;&nbsp;&", `<>&"AB&nbsp;&`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			got, err := parseHTML(tt.in)
			if err != nil || got.text != tt.text {
				t.Fatalf("text %q, %v, want %q", got.text, err, tt.text)
			}
			if diff := cmp.Diff(tt.want, got.entities); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseHTMLRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"a<x>b", `Unsupported start tag "x" at byte offset 1`},
		{"я<br>", `Unsupported start tag "br" at byte offset 2`},
		{"1 < 2", "Unclosed start tag at byte offset 2"},
		{"<b", "Unclosed start tag at byte offset 0"},
		{"<b>x", `Can't find end tag corresponding to start tag "b"`},
		{"<b>x</i>", `Unmatched end tag at byte offset 4, expected "</b>", found "</i>"`},
		{"x</b>", "Unexpected end tag at byte offset 1"},
		{"<b>x</b", "Unclosed end tag at byte offset 4"},
		{"<span>x</span>", `Tag "span" must have class "tg-spoiler" at byte offset 0`},
	}
	for _, tt := range tests {
		if _, err := parseHTML(tt.in); err == nil || err.Error() != "Bad Request: can't parse entities: "+tt.want {
			t.Errorf("parseHTML(%q) = %v, want %q", tt.in, err, tt.want)
		}
	}
}

func TestTrimmed(t *testing.T) {
	t.Parallel()
	give := styled{text: " 😀 b ", entities: []entity{
		{Type: "bold", Length: 1}, {Type: "italic", Length: 5}, {Type: "code", Offset: 4, Length: 9}, {Type: "pre", Offset: -3, Length: 2}}}
	want := []entity{{Type: "italic", Length: 4}, {Type: "code", Offset: 3, Length: 1}}
	got := give.trimmed()
	if diff := cmp.Diff(want, got.entities); got.text != "😀 b" || diff != "" {
		t.Errorf("text %q (-want +got):\n%s", got.text, diff)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want []entity
	}{
		{"/start", []entity{{Offset: 0, Length: 6}}},
		{"/start promo", []entity{{Offset: 0, Length: 6}}},
		{"😀 /a_1@shop_bot, /b!", []entity{{Offset: 3, Length: 13}, {Offset: 18, Length: 2}}},
		{"a/b http://x/y", nil}, {"/", nil}, {"/ x", nil}, {"/я", nil},
		{"/a@ b", []entity{{Offset: 0, Length: 2}}},
		{"/abcdefghijklmnopqrstuvwxyzabcdefg", nil},
	}
	for _, tt := range tests {
		for i := range tt.want {
			tt.want[i].Type = "bot_command"
		}
		if diff := cmp.Diff(tt.want, commands(tt.in)); diff != "" {
			t.Errorf("commands(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

// Whatever text is accepted, it is within the limits and its entities within it.
func FuzzStyledText(f *testing.F) {
	f.Add("<b>a</b> &lt; <a href='x'>y</a>", "HTML", "")
	f.Add(" /start 😀 ", "", `[{"type":"bold","offset":-1,"length":99}]`)
	f.Add("<pre><code class=language-go>x</code></pre>", "html", "")
	f.Fuzz(func(t *testing.T, text, mode, entities string) {
		got, err := styledText(simulator.NewParams(map[string]string{"text": text, "parse_mode": mode, "entities": entities}))
		if err != nil {
			return
		}
		n := len(utf16.Encode([]rune(got.text)))
		if n == 0 || n > maxText || !utf8.ValidString(got.text) {
			t.Errorf("accepted %q with %d units", got.text, n)
		}
		for _, e := range append(got.entities, commands(got.text)...) {
			if e.Offset < 0 || e.Length <= 0 || e.Offset+e.Length > n {
				t.Errorf("entity %+v of %q reaches beyond %d", e, got.text, n)
			}
		}
	})
}
