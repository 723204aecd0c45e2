package params

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
)

// jsonSet reads a JSON body, formSet a form.
func jsonSet(t *testing.T, body string) *Set {
	t.Helper()
	return read(t, request("/", js, body), Options{})
}
func formSet(t *testing.T, body string) *Set {
	t.Helper()
	return read(t, request("/", form, body), Options{})
}

// set reads a body that is JSON if it starts with {, else a form.
func set(t *testing.T, body string) *Set {
	t.Helper()
	if strings.HasPrefix(body, "{") {
		return jsonSet(t, body)
	}
	return formSet(t, body)
}

// outcome is all that a binding of one parameter shows.
type outcome[T any] struct {
	Opt    Opt[T]
	Errors string
}

func check[T any](t *testing.T, name string, b *Binder, got Opt[T], want T, state State, message string) {
	t.Helper()
	text := ""
	if err := b.Err(); err != nil {
		text = err.Error()
	}
	w := outcome[T]{Opt[T]{want, state}, message}
	if diff := cmp.Diff(w, outcome[T]{got, text}); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("я", 255)
	for _, tc := range []struct {
		body  string
		rules []Rule
		want  string
		state State
		err   string
	}{
		{"x=1", nil, "", Missing, ""},
		{"s=a", nil, "a", Given, ""},
		{"s=+a+", nil, " a ", Given, ""},
		{"s=+a+", []Rule{Trim()}, "a", Given, ""},
		{"s=1&s=2", nil, "2", Given, ""},
		{`{"s":12345678901234567890}`, nil, "12345678901234567890", Given, ""},
		{`{"s":1.50}`, nil, "1.50", Given, ""},
		{`{"s":true}`, nil, "", Failed, "s is invalid"},
		{`{"s":["x"]}`, nil, "", Failed, "s is invalid"},
		{`{"s":{}}`, nil, "", Failed, "s is invalid"},
		{"s[]=x", nil, "", Failed, "s is invalid"},
		{"s=", nil, "", Empty, ""},
		{"s=%20%C2%A0", nil, "", Empty, ""},
		{`{"s":null}`, nil, "", Empty, ""},
		{"x=1", []Rule{Required()}, "", Failed, "s is required"},
		{"s=", []Rule{Required()}, "", Failed, "s is required"},
		{"s=%20", []Rule{Required()}, "", Failed, "s is required"},
		{`{"s":null}`, []Rule{Required()}, "", Failed, "s is required"},
		{"x=1", []Rule{Present()}, "", Failed, "s is required"},
		{"s=", []Rule{Present()}, "", Empty, ""},
		{`{"s":null}`, []Rule{Present()}, "", Empty, ""},
		{"x=1", []Rule{NotBlank()}, "", Missing, ""},
		{`{"s":null}`, []Rule{NotBlank()}, "", Empty, ""},
		{"s=%20", []Rule{NotBlank()}, "", Failed, "s is invalid"},
		{"s=" + long, []Rule{Length(1, 255)}, long, Given, ""},
		{"s=" + long + "я", []Rule{Length(1, 255)}, "", Failed, "s is too long (maximum is 255 characters)"},
		{"s=+" + long + "+", []Rule{Length(1, 255), Trim()}, long, Given, ""},
		{"s=ab", []Rule{Length(3, 5)}, "", Failed, "s is invalid"},
	} {
		b := set(t, tc.body).Bind()
		check(t, tc.body[:min(len(tc.body), 20)], b, b.String("s", tc.rules...), tc.want, tc.state, tc.err)
	}
}

func TestAlias(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		body, want string
		state      State
		err        string
	}{
		{"message=m&text=t", "m", Given, ""},
		{"text=t&message=m", "m", Given, ""},
		{"text=t", "t", Given, ""},
		{"body=b", "b", Given, ""},
		{"text=t&body=b", "t", Given, ""},
		{"message=&body=b", "b", Given, ""},
		{`{"message":null,"text":"t"}`, "t", Given, ""},
		{"text=", "", Failed, "message is required"},
		{"x=", "", Failed, "message is required"},
		{"text[]=t", "", Failed, "text is invalid"},
		{"message=too+long&text=t", "", Failed, "message is too long (maximum is 5 characters)"},
	} {
		b := set(t, tc.body).Bind()
		got := b.String("message", Alias("text"), Alias("body"), Required(), Length(0, 5))
		check(t, tc.body, b, got, tc.want, tc.state, tc.err)
	}
}

func TestInt(t *testing.T) {
	t.Parallel()
	bounds := []Rule{Between(1, 100)}
	const between = "i must be between 1 and 100"
	for _, tc := range []struct {
		body  string
		rules []Rule
		want  int64
		state State
		err   string
	}{
		{"i=42", nil, 42, Given, ""},
		{"i=-42", nil, -42, Given, ""},
		{"i=007", nil, 7, Given, ""},
		{"i=+42+", nil, 42, Given, ""},
		{"i=", nil, 0, Empty, ""},
		{`{"i":42}`, nil, 42, Given, ""},
		{`{"i":9223372036854775807}`, nil, 9223372036854775807, Given, ""},
		{`{"i":9223372036854775808}`, nil, 0, Failed, "i is invalid"},
		{`{"i":4.0}`, nil, 0, Failed, "i is invalid"},
		{`{"i":4e2}`, nil, 0, Failed, "i is invalid"},
		{`{"i":true}`, nil, 0, Failed, "i is invalid"},
		{`{"i":[4]}`, nil, 0, Failed, "i is invalid"},
		{"i=4.0", nil, 0, Failed, "i is invalid"},
		{"i=0x10", nil, 0, Failed, "i is invalid"},
		{"i=1_0", nil, 0, Failed, "i is invalid"},
		{"i=%2B1", nil, 0, Failed, "i is invalid"},
		{"i=--1", nil, 0, Failed, "i is invalid"},
		{"i=-", nil, 0, Failed, "i is invalid"},
		{"i=٤", nil, 0, Failed, "i is invalid"},
		{"i=1", bounds, 1, Given, ""},
		{"i=100", bounds, 100, Given, ""},
		{"i=0", bounds, 0, Failed, between},
		{"i=101", bounds, 0, Failed, between},
		{"i=-1", bounds, 0, Failed, between},
		{"i=99999999999999999999", bounds, 0, Failed, between},
		{"i=x", bounds, 0, Failed, "i is invalid"},
		{"i=1", []Rule{Min(1)}, 1, Given, ""},
		{"i=0", []Rule{Min(1)}, 0, Failed, "i is invalid"},
		{"i=0", []Rule{Min(0)}, 0, Given, ""},
		{"i=99999999999999999999", []Rule{Min(1)}, 0, Failed, "i is invalid"},
	} {
		b := set(t, tc.body).Bind()
		check(t, tc.body, b, b.Int("i", tc.rules...), tc.want, tc.state, tc.err)
	}
}

func TestBool(t *testing.T) {
	t.Parallel()
	cases := map[string]Opt[bool]{
		`{"b":true}`: {true, Given}, `{"b":false}`: {false, Given}, `{"b":1}`: {true, Given}, `{"b":0}`: {false, Given},
		`{"b":2}`: {false, Failed}, `{"b":1.0}`: {false, Failed}, `{"b":"On"}`: {true, Given}, `{"b":null}`: {false, Empty},
		`{"b":[]}`: {false, Failed}, "b=maybe": {false, Failed}, "b=2": {false, Failed}, "b=": {false, Empty}, "c=": {false, Missing},
	}
	for _, word := range strings.Fields("true 1 t yes y on TRUE T Yes Y oN") {
		cases["b="+word] = Opt[bool]{true, Given}
	}
	for _, word := range strings.Fields("false 0 f no n off FALSE F No N oFF") {
		cases["b="+word] = Opt[bool]{false, Given}
	}
	for body, want := range cases {
		b := set(t, body).Bind()
		message := ""
		if want.State == Failed {
			message = "b is invalid"
		}
		check(t, body, b, b.Bool("b"), want.Value, want.State, message)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2017, 11, 11, 10, 17, 10, 0, time.UTC)
	for body, want := range map[string]time.Time{
		"t=1510395430":                  at,
		`{"t":1510395430}`:              at,
		`{"t":"1510395430"}`:            at,
		`{"t":1510395430.25}`:           at.Add(250 * time.Millisecond),
		"t=1510395430123":               at.Add(123 * time.Millisecond),
		`{"t":1510395430123}`:           at.Add(123 * time.Millisecond),
		"t=2017-11-11T10:17:10Z":        at,
		"t=2017-11-11T10:17:10.655Z":    at.Add(655 * time.Millisecond),
		"t=2017-11-11t10:17:10z":        at,
		"t=2017-11-11T13:17:10%2B03:00": at,
		"t=2017-11-11T13:17:10+03:00":   at,
		"t=2017-11-11+13:17:10+03:00":   at,
		"t=2017-11-11T13:17:10%2B0300":  at,
		"t=2017-11-11T07:17:10-03":      at,
		"t=2017-11-11T10:17:10":         at,
		"t=2017-11-11%2010:17:10":       at,
		"t=20171111T101710Z":            at,
		"t=2017-11-11T10:17Z":           at.Add(-10 * time.Second),
		"t=2017-11-11":                  time.Date(2017, 11, 11, 0, 0, 0, 0, time.UTC),
		"t=0":                           time.Unix(0, 0).UTC(),
		"t=253402300799":                time.Unix(253402300799, 0).UTC(),
	} {
		b := set(t, body).Bind()
		check(t, body, b, b.Time("t"), want, Given, "")
	}
	for _, body := range []string{
		"t=soon", "t=yesterday", "t=-5", "t=15103954301234", "t=253402300800", "t=1510395430.", "t=1510395430123.5", "t=2017-13-01",
		"t=2017-11-11T25:00:00Z", "t=11.11.2017", "t[]=1", `{"t":1.5e9}`, `{"t":true}`, `{"t":{}}`,
		"t=0000-01-01T00:00:00%2B05:00", "t=9999-12-31T23:00:00-05:00", "t=" + strings.Repeat("1", 1000),
	} {
		b := set(t, body).Bind()
		check(t, body, b, b.Time("t"), time.Time{}, Failed, "t is invalid")
	}
}

func TestPhone(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"p=79250000001":                     "79250000001",
		"p=%2B7+(925)+000-00-01":            "79250000001",
		"p=+7+(925)+000-00-01":              "79250000001",
		"p=%2B7.925.000.00.01":              "79250000001",
		"p=%2B7%C2%A0925%E2%80%91000[00]01": "79250000001",
		"p=(%2B7)9250000001":                "79250000001",
		"p=89250000001":                     "89250000001",
		"p=7999999999":                      "7999999999",
		"p=123456789012345":                 "123456789012345",
		`{"p":79250000001}`:                 "79250000001",
	} {
		b := set(t, body).Bind()
		check(t, body, b, b.Phone("p"), want, Given, "")
	}
	for _, body := range []string{
		"p=abc", "p=123", "p=925000000", "p=1234567890123456", "p=09250000001", "p=%2B%2B79250000001", "p=7925000000%2B1", "p=7925000000x",
		"p=٧٩٢٥٠٠٠٠٠٠١", "p=---", `{"p":-79250000001}`, `{"p":7925000000.1}`, `{"p":true}`, "p[]=79250000001",
	} {
		b := set(t, body).Bind()
		check(t, body, b, b.Phone("p"), "", Failed, "p is invalid")
	}
}

func TestOneOf(t *testing.T) {
	t.Parallel()
	options := []string{"vk", "vkontakte", "whatsapp"}
	const message = "o must be one of: vk, vkontakte, whatsapp"
	for _, tc := range []struct {
		body, want string
		rules      []Rule
		state      State
		err        string
	}{
		{"o=WhatsApp", "whatsapp", nil, Given, ""},
		{"o=+vk+", "vk", nil, Given, ""},
		{"o=", "", nil, Empty, ""},
		{"o=fax", "", nil, Failed, message},
		{"o[]=vk", "", nil, Failed, message},
		{`{"o":true}`, "", nil, Failed, message},
		{"x=", "", []Rule{Required()}, Failed, message},
		{"o=", "", []Rule{Required()}, Failed, message},
	} {
		b := set(t, tc.body).Bind()
		check(t, tc.body, b, b.OneOf("o", options, tc.rules...), tc.want, tc.state, tc.err)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	long := "https://example.org/" + strings.Repeat("я", 2048-20)
	for _, ok := range []string{"https://example.org", "HTTP://Example.org:8080/a?b=c", "http://[::1]:80/", "http://127.0.0.1/hook", long} {
		b := jsonSet(t, `{"u":" `+ok+`\n"}`).Bind()
		check(t, ok[:10], b, b.URL("u"), ok, Given, "")
	}
	for _, bad := range []string{
		"ftp://x", "abc", "//example.org", "/a", "http://", "http:example.org", "https://:80", "http://a b/", "http://a/b c",
		"http://a:99999/", "http://a:b/", "javascript:alert(1)", "http://a/%zz",
	} {
		b := jsonSet(t, `{"u":"`+bad+`"}`).Bind()
		check(t, bad, b, b.URL("u"), "", Failed, "u is invalid")
	}
	b := jsonSet(t, `{"u":"`+long+`x"}`).Bind()
	check(t, "long", b, b.URL("u"), "", Failed, "u is too long (maximum is 2048 characters)")
	b = formSet(t, "u=").Bind()
	if u := b.URL("u"); !u.Cleared() || !u.Sent() || u.Given() {
		t.Errorf("blank URL: got %+v", u)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	b := jsonSet(t, `{"phone":"x","template":{"id":"","parameters":[true]}}`).Bind()
	b.Phone("phone")
	b.String("name", Required())
	inner := b.Object("template").Value
	inner.String("id", Required())
	inner.Strings("parameters")
	inner.Fail("language_code", "is unknown")
	b.Fail("phone", "is taken")
	b.Fail("webhook_url", "did not answer")
	want := &Error{Code: CodeInvalid, Messages: []string{
		"phone is invalid", "name is required", "template.id is required", "template.parameters is invalid",
		"template.language_code is unknown", "webhook_url did not answer",
	}}
	for _, b := range []*Binder{b, inner} {
		err := b.Err()
		got, _ := errors.AsType[*Error](err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		cause, _ := errors.AsType[*parley.Error](err)
		if parley.KindOf(err) != parley.KindInvalid || cause.Code != CodeInvalid || !strings.HasPrefix(cause.Message, "phone is invalid; ") {
			t.Errorf("as a parley error: %+v", cause)
		}
	}
	if err := jsonSet(t, `{}`).Bind().Err(); err != nil {
		t.Errorf("no failure: got %v", err)
	}
}

func TestAny(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{"": false, "unknown=1": false, "hidden=": true, "title=x": true, `{"name":null}`: true, "o[a]=1": true} {
		b := set(t, body).Bind()
		b.String("name", Alias("title"))
		b.Bool("hidden")
		b.Object("o")
		if b.Any() != want {
			t.Errorf("%s: got %v", body, b.Any())
		}
	}
}

func TestOr(t *testing.T) {
	t.Parallel()
	b := formSet(t, "a=off&b=&c=x").Bind()
	got := []bool{b.Bool("a").Or(true), b.Bool("b").Or(true), b.Bool("c").Or(true), b.Bool("d").Or(true)}
	if diff := cmp.Diff([]bool{false, true, true, true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 255)
	for _, tc := range []struct {
		query string
		want  Page
		err   string
	}{
		{"", Page{"", 50, ""}, ""},
		{"from=T&per=2&sort_direction=DESC", Page{"T", 2, "desc"}, ""},
		{"from_=T&sort=asc", Page{"T", 50, "asc"}, ""},
		{"from=A&from_=B&sort_direction=asc&sort=desc", Page{"A", 50, "asc"}, ""},
		{"from=&per=&sort_direction=", Page{"", 50, ""}, ""},
		{"per=100&page=7&per_page=3", Page{"", 100, ""}, ""},
		{"from=" + long, Page{long, 50, ""}, ""},
		{"from=" + long + "x", Page{"", 50, ""}, "from is too long (maximum is 255 characters)"},
		{"per=0", Page{"", 50, ""}, "per must be between 1 and 100"},
		{"per=101", Page{"", 50, ""}, "per must be between 1 and 100"},
		{"per=-1", Page{"", 50, ""}, "per must be between 1 and 100"},
		{"per=x", Page{"", 50, ""}, "per is invalid"},
		{"per=1.5", Page{"", 50, ""}, "per is invalid"},
		{"sort_direction=up", Page{"", 50, ""}, "sort_direction must be one of: asc, desc"},
		{"sort=up&per=x", Page{"", 50, ""}, "per is invalid; sort must be one of: asc, desc"},
	} {
		b := read(t, request("/?"+tc.query, "", ""), Options{}).Bind()
		page, text := b.Page(), ""
		if err := b.Err(); err != nil {
			text = err.Error()
		}
		if diff := cmp.Diff(tc.want, page); diff != "" || text != tc.err {
			t.Errorf("%s: %s, %q", tc.query, diff, text)
		}
	}
}
