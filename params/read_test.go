package params

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
)

const (
	form = "application/x-www-form-urlencoded"
	js   = "application/json"
)

// request builds a POST with a body of a type, which is left out if empty.
func request(target, contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// read returns the set of a request that must be readable.
func read(t *testing.T, r *http.Request, opts Options) *Set {
	t.Helper()
	s, err := Read(r, opts)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return s
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, contentType, body, want string
	}{
		{"empty form", form, "", `{}`},
		{"empty JSON", js, "", `{}`},
		{"empty multipart", `multipart/form-data; boundary=b`, "", `{}`},
		{"empty multipart without boundary", `multipart/form-data`, "", `{}`},
		{"white space", js, " \r\n\t", `{}`},
		{"BOM alone", js, "\ufeff", `{}`},
		{"null", js, " null\n", `{}`},
		{"null as form", form, "null", `{}`},
		{"JSON", js, `{"a":"b"}`, `{"a":"b"}`},
		{"JSON with charset", js + "; charset=utf-8", `{"a":"b"}`, `{"a":"b"}`},
		{"JSON labelled form", form, `{"a":"b"}`, `{"a":"b"}`},
		{"JSON without type", "", `{"a":"b"}`, `{"a":"b"}`},
		{"JSON after BOM and space", js, "\ufeff \n{\"a\":1}", `{"a":1}`},
		{"form labelled JSON", js, "assignee_id=42", `{"assignee_id":"42"}`},
		{"form without type", "", "a=b", `{"a":"b"}`},
		{"form of an unknown type", "text/plain", "a=b", `{"a":"b"}`},
		{"text under a JSON type", js, `"a"`, `{"\"a\"":""}`},
		{"broken JSON labelled form", form, `{"a":`, `{"{\"a\":":""}`},
		{"broken JSON without type", "", `{"a"=1&b=2`, `{"b":"2","{\"a\"":"1"}`},
		{"trailing garbage labelled form", form, `{"a":1} x`, `{"{\"a\":1} x":""}`},
		{"array labelled form", form, `[1]`, `{"[1]":""}`},
		{"JSON types", js, `{"s":"x","n":-1.50e3,"t":true,"f":false,"z":null,"a":[1,"2",[]],"o":{}}`,
			`{"a":[1,"2",[]],"f":false,"n":-1.50e3,"o":{},"s":"x","t":true,"z":null}`},
		{"big number", js, `{"n":123456789012345678901234567890}`, `{"n":123456789012345678901234567890}`},
		{"JSON escapes", js, `{"a\u0062":"\"\\\n\ud83d\ude00\/"}`, `{"ab":"\"\\\n😀/"}`},
		{"JSON key twice", js, `{"a":1,"b":2,"a":{"c":3}}`, `{"a":{"c":3},"b":2}`},
		{"JSON spread out", js, "{ \"a\" : [ 1 , 2 ] ,\n\"b\" : { \"c\" : null } }", `{"a":[1,2],"b":{"c":null}}`},
		{"NUL in JSON", js, `{"a\u0000b":"x\u0000y"}`, `{"ab":"xy"}`},
		{"NUL in form", form, "a%00b=x%00y\x00", `{"ab":"xy"}`},
		{"form escapes", form, "a=1+2%2B3%20%d0%B8&b=%zz%4", `{"a":"1 2+3 и","b":"%zz%4"}`},
		{"semicolon", form, "a=x;b=y", `{"a":"x;b=y"}`},
		{"equals in value", form, "a=b=c", `{"a":"b=c"}`},
		{"holes", form, "&&a&=x&b=&", `{"a":"","b":""}`},
		{"name twice", form, "a=1&a=2", `{"a":["1","2"]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := string(read(t, request("/", tc.contentType, tc.body), Options{}).Canonical())
			if diff := cmp.Diff(tc.want, unescapeHTML(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// unescapeHTML undoes what encoding/json does to &, < and >.
func unescapeHTML(s string) string {
	return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(s)
}

func TestNestedNames(t *testing.T) {
	t.Parallel()
	deep := "a" + strings.Repeat("[b]", MaxDepth)
	for _, tc := range []struct{ in, want string }{
		{"a[b]=1", `{"a":{"b":"1"}}`},
		{"a[]=x&a[]=y", `{"a":["x","y"]}`},
		{"a[0]=x&a[1]=y", `{"a":{"0":"x","1":"y"}}`},
		{"template[parameters][]=x&template[parameters][]=y&template[id]=1", `{"template":{"id":"1","parameters":["x","y"]}}`},
		{"data[picture][data][height]=50", `{"data":{"picture":{"data":{"height":"50"}}}}`},
		{"a%5Bb%5D=1&a%5bc%5d=2", `{"a":{"b":"1","c":"2"}}`},
		{"a[][b]=1&a[][c]=2&a[][b]=3", `{"a":[{"b":"1","c":"2"},{"b":"3"}]}`},
		{"a[][]=1&a[][]=2", `{"a":[["1"],["2"]]}`},
		{"a[b]=1&a[b]=2", `{"a":{"b":["1","2"]}}`},
		{"a[b=1", `{"a[b":"1"}`},
		{"a]b=1", `{"a]b":"1"}`},
		{"[b]=1", `{"[b]":"1"}`},
		{"a[b]c=1", `{"a[b]c":"1"}`},
		{"a[[b]]=1", `{"a[[b]]":"1"}`},
		{"a[b]]=1", `{"a[b]]":"1"}`},
		{"a[", `{"a[":""}`},
		{deep + "=1", `{"a":` + strings.Repeat(`{"b":`, MaxDepth) + `"1"` + strings.Repeat("}", MaxDepth+1)},
	} {
		t.Run(tc.in, func(t *testing.T) {
			t.Parallel()
			query := httptest.NewRequest(http.MethodGet, "/?"+tc.in, nil)
			multi := request("/", `multipart/form-data; boundary="b"`, multipartOf(tc.in))
			for place, r := range map[string]*http.Request{"query": query, "form": request("/", form, tc.in), "multipart": multi} {
				got := string(read(t, r, Options{}).Canonical())
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s: %s", place, diff)
				}
			}
		})
	}
}

// multipartOf writes a form as multipart with boundary b.
func multipartOf(s string) string {
	var out strings.Builder
	for pair := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(&out, "--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", unescape(name), unescape(value))
	}
	return out.String() + "--b--"
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	multi := `multipart/form-data; boundary=b`
	deepJSON := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	for _, tc := range []struct{ name, target, contentType, body, want string }{
		{"broken JSON", "/", js, `{"name":`, "not valid JSON"},
		{"broken JSON of a family", "/", "application/problem+json", `{"name":`, "not valid JSON"},
		{"array", "/", js, `[1]`, "must be a JSON object"},
		{"array of text/json", "/", "Text/JSON; charset=utf-8", ` [1]`, "must be a JSON object"},
		{"JSON and more", "/", js, `{"a":1}{}`, "not valid JSON"},
		{"UTF-8 in JSON", "/", js, "{\"a\":\"\xff\"}", "UTF-8"},
		{"UTF-8 in form", "/", form, "a=\xff", "UTF-8"},
		{"UTF-8 escaped", "/", form, "a=%ff", "UTF-8"},
		{"UTF-8 in a name", "/", form, "%ff=a", "UTF-8"},
		{"UTF-8 in query", "/?a=%C3", "", "", "UTF-8"},
		{"UTF-8 in multipart", "/", multi, multipartOf("a=\xff"), "UTF-8"},
		{"deep name", "/", form, "a" + strings.Repeat("[]", MaxDepth+1) + "=1", "nested too deeply"},
		{"deep query", "/?a" + strings.Repeat("[b]", MaxDepth+1) + "=1", "", "", "nested too deeply"},
		{"deep JSON", "/", form, deepJSON(MaxDepth + 1), "nested too deeply"},
		{"deep JSON object", "/", js, strings.Repeat(`{"a":`, MaxDepth+2) + "1" + strings.Repeat("}", MaxDepth+2), "nested too deeply"},
		{"value, then object", "/", form, "a=1&a[b]=2", "both as a value"},
		{"object, then value", "/", form, "a[b]=2&a=1", "both as a value"},
		{"array, then object", "/", form, "a[]=2&a[b]=1", "both as a value"},
		{"object, then array", "/", form, "a[0]=2&a[]=1", "both as a value"},
		{"too many names", "/", form, strings.Repeat("a=&", MaxParameters+1), "too many parameters"},
		{"too many elements", "/", js, `{"a":[` + strings.Repeat("1,", MaxParameters-1) + `1]}`, "too many parameters"},
		{"too many over both places", "/?a=1", js, `{"a":[` + strings.Repeat("1,", MaxParameters-2) + `1]}`, "too many parameters"},
		{"too many levels", "/", form, strings.Repeat("a[b]=&", MaxParameters/2+1), "too many parameters"},
		{"no boundary", "/", "multipart/form-data", "--b--", "boundary"},
		{"type cut", "/", "multipart/form-data; boundary=\"b", "--b--", "boundary"},
		{"multipart cut in a value", "/", multi, "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx", "not valid multipart"},
		{"multipart cut in a header", "/", multi, "--b\r\nContent-Disposition: form-data; name=a", "not valid multipart"},
		{"multipart cut between parts", "/", multi, strings.TrimSuffix(multipartOf("a=1"), "--b--"), "not valid multipart"},
		{"multipart is none", "/", multi, "a=1", "not valid multipart"},
		{"part without name", "/", multi, "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "has no name"},
		{"part without header", "/", multi, "--b\r\n\r\nx\r\n--b--", "has no name"},
		{"size of a form", "/", form, "a=" + strings.Repeat("x", DefaultMaxBody-1), "too large"},
		{"size of multipart", "/", multi, multipartOf("a=" + strings.Repeat("x", DefaultMaxBody)), "too large"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(request(tc.target, tc.contentType, tc.body), Options{})
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Code != CodeBadRequest || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want a bad request with %q", err, tc.want)
			}
			if parley.KindOf(err) != parley.KindInvalid || parley.Reason(err) != e.Messages[0] {
				t.Errorf("kind %q, reason %q", parley.KindOf(err), parley.Reason(err))
			}
		})
	}
}

func TestReadBounds(t *testing.T) {
	t.Parallel()
	multi := `multipart/form-data; boundary=b`
	for _, tc := range []struct{ name, contentType, body string }{
		{"form", form, "a=" + strings.Repeat("x", 98)},
		{"JSON", js, `{"a":"` + strings.Repeat("x", 92) + `"}`},
		{"multipart", multi, multipartOf("a=" + strings.Repeat("x", 44))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if len(tc.body) != 100 {
				t.Fatalf("the test body has %d bytes", len(tc.body))
			}
			for _, length := range []int64{100, -1} {
				fits, over := request("/", tc.contentType, tc.body), request("/", tc.contentType, tc.body)
				fits.ContentLength, over.ContentLength = length, length
				if _, err := Read(fits, Options{MaxBody: 100}); err != nil {
					t.Errorf("at the limit, length %d: %v", length, err)
				}
				if _, err := Read(over, Options{MaxBody: 99}); err == nil {
					t.Errorf("above the limit, length %d: no error", length)
				}
			}
		})
	}
	n := MaxParameters - 1 // the array counts too
	full := `{"a":[` + strings.Repeat("1,", n-1) + `1]}`
	if _, err := Read(request("/", js, full), Options{}); err != nil {
		t.Errorf("%d values: %v", MaxParameters, err)
	}
}

func TestReadStopsEarly(t *testing.T) {
	t.Parallel()
	r := request("/", form, "")
	r.Body = io.NopCloser(iotest.ErrReader(errors.New("the body was read")))
	r.ContentLength = DefaultMaxBody + 1
	if _, err := Read(r, Options{}); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a body announced as too large: got %v", err)
	}
}

// endless is a body that never ends; it counts what was read of it.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReadEndless(t *testing.T) {
	t.Parallel()
	field := "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n"
	file := "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n"
	for _, start := range []string{"", "a=", `{"a":"`, field, file} {
		for _, contentType := range []string{form, `multipart/form-data; boundary=b`} {
			source := &endless{}
			r := request("/", contentType, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(start), io.LimitReader(source, 1<<24)))
			r.ContentLength = -1
			if _, err := Read(r, Options{MaxBody: 1 << 10}); err == nil {
				t.Errorf("%q: no error", start)
			}
			if source.read > 1<<16 {
				t.Errorf("%q: %d bytes were read", start, source.read)
			}
		}
	}
}

func TestReadBrokenConnection(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection reset")
	for _, contentType := range []string{js, `multipart/form-data; boundary=b`} {
		for _, sent := range []string{"", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx"} {
			r := request("/", contentType, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(sent), iotest.ErrReader(cause)))
			r.ContentLength = -1
			_, err := Read(r, Options{})
			if parley.KindOf(err) != parley.KindInvalid || !errors.Is(err, cause) {
				t.Errorf("%s after %d bytes: got %v, want invalid with the cause", contentType, len(sent), err)
			}
		}
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	r := request("/?b=query&c=query&o[x]=1", form, "a=body&b=body&c=body&d=body&o[y]=2")
	got := string(read(t, r, Options{Path: map[string]string{"c": "path\x00"}}).Canonical())
	want := `{"a":"body","b":"query","c":"path","d":"body","o":{"x":"1"}}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Read(request("/", "", ""), Options{Path: map[string]string{"a": "\xff"}}); err == nil {
		t.Error("invalid UTF-8 in the path: no error")
	}
}

func TestManyNames(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	for i := range 100 {
		fmt.Fprintf(&body, "n%d=%d&", i, i)
	}
	s := read(t, request("/?n99=query", form, body.String()+"n50=again"), Options{})
	b := s.Bind()
	for name, want := range map[string]string{"n0": "0", "n16": "16", "n17": "17", "n50": "again", "n98": "98", "n99": "query"} {
		if got := b.String(name).Value; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if s.Len() != 100 || s.Has("n100") || !s.Has("n100", "n7") {
		t.Errorf("got %d names, n100 %v", s.Len(), s.Has("n100"))
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	long := "private_api_token=b&a=" + strings.Repeat("x", tokenBody)
	for _, tc := range []struct {
		name, header, target, contentType, body, want string
	}{
		{"none", "", "/", "", "", ""},
		{"header first", "h", "/?private_api_token=q", form, "private_api_token=b", "h"},
		{"query second", "", "/?private_api_token=q", form, "private_api_token=b", "q"},
		{"form", "", "/", form, "private_api_token=b", "b"},
		{"JSON", "", "/", js, `{"private_api_token":"b","name":"x"}`, "b"},
		{"JSON number", "", "/", js, `{"private_api_token":123}`, "123"},
		{"multipart", "", "/", `multipart/form-data; boundary="b"`, multipartOf("private_api_token=b"), "b"},
		{"blanks are passed over", " ", "/?private_api_token=%20", form, "private_api_token=b", "b"},
		{"trimmed", "", "/?private_api_token=+q+", "", "", "q"},
		{"no scalar", "", "/?private_api_token[]=q", form, "", ""},
		{"large body", "", "/", form, long, ""},
		{"large multipart", "", "/", `multipart/form-data; boundary="b"`, multipartOf(long), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := request(tc.target, tc.contentType, tc.body)
			r.Header.Set(TokenHeader, tc.header)
			s := read(t, r, Options{MaxBody: 4 * tokenBody})
			if got := Token(r, s); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	r := request("/?private_api_token=q", form, "")
	if got := Token(r, nil); got != "q" {
		t.Errorf("without a set: got %q", got)
	}
	r = request("/?a=%ff", form, "private_api_token=b")
	if got := Token(r, nil); got != "" {
		t.Errorf("broken query without a set: got %q", got)
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	one := read(t, request("/?b=2", js, `{"private_api_token":"T","c":{"y":1,"x":[true]},"a":"<ü>"}`), Options{})
	two := read(t, request("/", "", `{"a":"<ü>", "b":"2", "c":{"x":[true], "y":1}}`), Options{})
	if diff := cmp.Diff(string(one.Canonical()), string(two.Canonical())); diff != "" {
		t.Errorf("equal requests differ: %s", diff)
	}
	inner := read(t, request("/", js, `{"o":{"private_api_token":"kept"}}`), Options{}).Bind().Object("o").Value
	if got := string(inner.Set().Canonical()); got != `{"private_api_token":"kept"}` {
		t.Errorf("inner set: got %s", got)
	}
	for _, differing := range []string{`{"a":1}`, `{"a":"1"}`, `{"a":1.0}`, `{"a":[1]}`, `{"a":null}`, `{}`} {
		for _, other := range []string{`{"a":1}`, `{"a":"1"}`, `{"a":1.0}`, `{"a":[1]}`, `{"a":null}`, `{}`} {
			x := string(read(t, request("/", js, differing), Options{}).Canonical())
			y := string(read(t, request("/", js, other), Options{}).Canonical())
			if (x == y) != (differing == other) {
				t.Errorf("%s and %s: %s, %s", differing, other, x, y)
			}
		}
	}
}
