package telegramsim

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// htmlTags are the tags a text may have and the entities they make.
// Source: Bot API, HTML style, read 2026-11.
var htmlTags = map[string]string{
	"b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
	"s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "code": "code", "pre": "pre",
	"a": "text_link", "blockquote": "blockquote", "tg-spoiler": "spoiler", "span": "spoiler",
	"tg-emoji": "custom_emoji",
}

// An openTag waits for its end.
type openTag struct {
	name  string
	index int // of its entity
	start int // of its content in the output, in bytes
}

type htmlParser struct {
	in    string
	pos   int // in in, bytes
	out   strings.Builder
	units int // of out, UTF-16
	ents  []entity
	open  []openTag
}

func cantParse(format string, args ...any) error {
	return badRequest("can't parse entities: " + fmt.Sprintf(format, args...))
}

// parseHTML reads parse_mode HTML. Offsets in errors are bytes of the input.
func parseHTML(text string) (styled, error) {
	p := htmlParser{in: text}
	for p.pos < len(p.in) {
		if err := p.step(); err != nil {
			return styled{}, err
		}
	}
	if n := len(p.open); n > 0 {
		return styled{}, cantParse("Can't find end tag corresponding to start tag \"%s\"", p.open[n-1].name)
	}
	return styled{text: p.out.String(), entities: clip(p.ents, 0, p.units)}, nil
}

func (p *htmlParser) step() error {
	switch p.in[p.pos] {
	case '<':
		if strings.HasPrefix(p.in[p.pos:], "</") {
			return p.endTag()
		}
		return p.startTag()
	case '&':
		r, n := htmlRune(p.in[p.pos:])
		p.pos += n
		p.emit(r)
	default:
		r, n := utf8.DecodeRuneInString(p.in[p.pos:])
		p.pos += n
		p.emit(r)
	}
	return nil
}

func (p *htmlParser) emit(r rune) {
	p.out.WriteRune(r)
	p.units += units(string(r))
}

// tag takes what stands between < and >.
func (p *htmlParser) tag(skip int) (inside string, ok bool) {
	end := strings.IndexByte(p.in[p.pos:], '>')
	if end < 0 {
		return "", false
	}
	inside = p.in[p.pos+skip : p.pos+end]
	p.pos += end + 1
	return inside, true
}

func (p *htmlParser) startTag() error {
	at := p.pos
	inside, ok := p.tag(1)
	if !ok {
		return cantParse("Unclosed start tag at byte offset %d", at)
	}
	name, rest := inside, ""
	if i := strings.IndexAny(inside, " \t\n"); i >= 0 {
		name, rest = inside[:i], inside[i:]
	}
	name = strings.ToLower(name)
	kind, ok := htmlTags[name]
	if !ok {
		return cantParse("Unsupported start tag \"%s\" at byte offset %d", name, at)
	}
	attrs := htmlAttributes(rest)
	if name == "span" && attrs["class"] != "tg-spoiler" {
		return cantParse("Tag \"span\" must have class \"tg-spoiler\" at byte offset %d", at)
	}
	p.begin(name, kind, attrs)
	return nil
}

func (p *htmlParser) begin(name, kind string, attrs map[string]string) {
	e := entity{Type: kind, Offset: p.units, URL: attrs["href"], CustomEmojiID: attrs["emoji-id"]}
	if _, ok := attrs["expandable"]; ok && kind == "blockquote" {
		e.Type = "expandable_blockquote"
	}
	if lang, ok := strings.CutPrefix(attrs["class"], "language-"); ok && name == "code" {
		e.Language = lang
	}
	p.open = append(p.open, openTag{name: name, index: len(p.ents), start: p.out.Len()})
	p.ents = append(p.ents, e)
}

func (p *htmlParser) endTag() error {
	at := p.pos
	inside, ok := p.tag(2)
	if !ok {
		return cantParse("Unclosed end tag at byte offset %d", at)
	}
	if len(p.open) == 0 {
		return cantParse("Unexpected end tag at byte offset %d", at)
	}
	top := p.open[len(p.open)-1]
	if name := strings.ToLower(strings.TrimSpace(inside)); name != "" && name != top.name {
		return cantParse("Unmatched end tag at byte offset %d, expected \"</%s>\", found \"</%s>\"", at, top.name, name)
	}
	p.open = p.open[:len(p.open)-1]
	p.end(top)
	return nil
}

func (p *htmlParser) end(t openTag) {
	e := &p.ents[t.index]
	e.Length = p.units - e.Offset
	if e.Type == "text_link" && e.URL == "" {
		e.URL = p.out.String()[t.start:]
	}
	// <pre><code class="language-x"> is one block of code with a language
	if t.name == "code" && len(p.open) > 0 && p.open[len(p.open)-1].name == "pre" {
		outer := &p.ents[p.open[len(p.open)-1].index]
		if outer.Offset == e.Offset {
			outer.Language, e.Length = e.Language, 0
		}
	}
	if e.Type == "code" {
		e.Language = ""
	}
}

// htmlAttributes reads name="value", name='value', name=value and bare names.
func htmlAttributes(s string) map[string]string {
	out := map[string]string{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		i := strings.IndexAny(s, "= \t\n")
		if i < 0 {
			i = len(s)
		}
		name := strings.ToLower(s[:i])
		value := ""
		if s = s[i:]; strings.HasPrefix(s, "=") {
			value, s = htmlValue(s[1:])
		}
		out[name] = htmlText(value)
	}
	return out
}

func htmlValue(s string) (value, rest string) {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
			return s[1 : 1+end], s[2+end:]
		}
		return s[1:], ""
	}
	if end := strings.IndexAny(s, " \t\n"); end >= 0 {
		return s[:end], s[end:]
	}
	return s, ""
}

// htmlText replaces the character references in an attribute.
func htmlText(s string) string {
	var out strings.Builder
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if r == '&' {
			r, n = htmlRune(s)
		}
		out.WriteRune(r)
		s = s[n:]
	}
	return out.String()
}

// maxReference bounds a numeric character reference, in bytes.
const maxReference = 11

// htmlRune reads the character reference at the start of s; what is none is an
// ampersand. Only four names are supported. Source: Bot API, HTML style, read 2026-11.
func htmlRune(s string) (rune, int) {
	for name, r := range map[string]rune{"&lt;": '<', "&gt;": '>', "&amp;": '&', "&quot;": '"'} {
		if strings.HasPrefix(s, name) {
			return r, len(name)
		}
	}
	end := strings.IndexByte(s[:min(len(s), maxReference)], ';')
	if end < 0 || !strings.HasPrefix(s, "&#") {
		return '&', 1
	}
	digits, base := s[2:end], 10
	if hex, ok := strings.CutPrefix(strings.ToLower(digits), "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseInt(digits, base, 32)
	if err != nil || n <= 0 || !utf8.ValidRune(rune(n)) {
		return '&', 1
	}
	return rune(n), end + 1
}
