package simulator_test

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

const form = "application/x-www-form-urlencoded"

func request(query, contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/x?"+query, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

// multipartForm has a field chat_id and a file certificate.
func multipartForm(t testing.TB) (contentType, body string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	f, err := w.CreateFormFile("certificate", "cert.pem")
	if err == nil {
		_, err = f.Write([]byte("PEM"))
	}
	if err := errors.Join(err, w.WriteField("chat_id", "7"), w.Close()); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), buf.String()
}

func TestDecode(t *testing.T) {
	t.Parallel()
	multi, multiBody := multipartForm(t)
	tests := []struct {
		name, query, contentType, body string
		param, want                    string
	}{
		{"query", "chat_id=7", "", "", "chat_id", "7"},
		{"urlencoded", "", form, "text=a+b%21", "text", "a b!"},
		{"urlencoded with charset", "", form + "; charset=utf-8", "text=hi", "text", "hi"},
		{"body wins over query", "text=q", form, "text=b", "text", "b"},
		{"first of several wins", "text=1&text=2", "", "", "text", "1"},
		{"json string", "", "application/json", `{"text":"a\"b"}`, "text", `a"b`},
		{"json number", "", "application/json", `{"chat_id":4503599627370495}`, "chat_id", "4503599627370495"},
		{"json boolean", "", "application/json", `{"x":true}`, "x", "true"},
		{"json null is absent", "", "application/json", `{"x":null}`, "x", ""},
		{"json array as text", "", "application/json", `{"x":["a"]}`, "x", `["a"]`},
		{"json object as text", "", "application/json", `{"x":{"y": 1}}`, "x", `{"y": 1}`},
		{"multipart field", "", multi, multiBody, "chat_id", "7"},
		{"unknown type is not looked at", "a=1", "text/plain", "text=hi", "text", ""},
		{"empty json body", "a=1", "application/json", "", "a", "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := simulator.Decode(request(tt.query, tt.contentType, tt.body), 1000)
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if got := p.Get(tt.param); got != tt.want || p.Has(tt.param) != (tt.want != "") {
				t.Errorf("%s = %q, has %t, want %q", tt.param, got, p.Has(tt.param), tt.want)
			}
		})
	}
}

func TestDecodeFile(t *testing.T) {
	t.Parallel()
	contentType, body := multipartForm(t)
	p, err := simulator.Decode(request("", contentType, body), 1000)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := p.File("certificate")
	if !ok || f.Name != "cert.pem" || string(f.Data) != "PEM" || f.Type != "application/octet-stream" {
		t.Errorf("File = %+v, %t", f, ok)
	}
	if _, ok := p.File("chat_id"); ok {
		t.Error("a field counts as a file")
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	multi, multiBody := multipartForm(t)
	tests := []struct{ name, query, contentType, body string }{
		{"bad query", "a=%zz", "", ""},
		{"bad form", "", form, "a=%zz"},
		{"no json", "", "application/json", "{"},
		{"json array", "", "application/json", "[1]"},
		{"no boundary", "", "multipart/form-data", multiBody},
		{"half a form", "", multi, multiBody[:len(multiBody)/2]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := simulator.Decode(request(tt.query, tt.contentType, tt.body), 1000)
			if parley.KindOf(err) != parley.KindInvalid {
				t.Errorf("Decode = %v, want kind invalid", err)
			}
		})
	}
	if _, err := simulator.Decode(request("", form, "text=hello"), 9); !errors.Is(err, simulator.ErrTooLarge) {
		t.Errorf("Decode of 10 bytes with a limit of 9 = %v, want ErrTooLarge", err)
	}
	if _, err := simulator.Decode(request("", form, "text=hello"), 10); err != nil {
		t.Errorf("Decode of 10 bytes with a limit of 10: %v", err)
	}
	size := int64(len(multiBody))
	if _, err := simulator.Decode(request("", multi, multiBody), size-1); !errors.Is(err, simulator.ErrTooLarge) {
		t.Errorf("Decode of a multipart form one byte over the limit = %v, want ErrTooLarge", err)
	}
	if _, err := simulator.Decode(request("", multi, multiBody), size); err != nil {
		t.Errorf("Decode of a multipart form as long as the limit: %v", err)
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	p := simulator.NewParams(map[string]string{
		"n": "-5", "bad": "x", "yes": "YES", "one": "1", "no": "false", "list": `["a","b"]`, "empty": "",
	})
	if n, err := p.Int("n", 1); n != -5 || err != nil {
		t.Errorf("Int(n) = %d, %v", n, err)
	}
	if n, err := p.Int("empty", 3); n != 3 || err != nil {
		t.Errorf("Int(empty) = %d, %v, want the fallback", n, err)
	}
	if _, err := p.Int("bad", 1); parley.KindOf(err) != parley.KindInvalid {
		t.Errorf("Int(bad) = %v, want kind invalid", err)
	}
	if !p.Bool("yes") || !p.Bool("one") || p.Bool("no") || p.Bool("absent") {
		t.Error("Bool: want yes and one true, no and absent false")
	}
	if got := p.First("absent", "empty", "n", "yes"); got != "-5" {
		t.Errorf("First = %q, want -5", got)
	}
	var list []string
	if ok, err := p.JSON("list", &list); !ok || err != nil || len(list) != 2 {
		t.Errorf("JSON(list) = %t, %v, %v", ok, err, list)
	}
	if ok, err := p.JSON("absent", &list); ok || err != nil {
		t.Errorf("JSON(absent) = %t, %v", ok, err)
	}
	if _, err := p.JSON("bad", &list); parley.KindOf(err) != parley.KindInvalid {
		t.Errorf("JSON(bad) = %v, want kind invalid", err)
	}
}

func FuzzDecode(f *testing.F) {
	multi, multiBody := multipartForm(f)
	f.Add("chat_id=7", form, "text=hi&x=%20")
	f.Add("", "application/json", `{"a":1,"b":"c","d":null,"e":{"f":[]}}`)
	f.Add("", multi, multiBody)
	f.Add("a=%zz", "text/plain", "{")
	f.Fuzz(func(t *testing.T, query, contentType, body string) {
		r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		p, err := simulator.Decode(r, 1<<16)
		if err == nil {
			_, _ = p.Int("a", 0)
			_ = p.Body()
			return
		}
		if !errors.Is(err, simulator.ErrTooLarge) && parley.KindOf(err) != parley.KindInvalid {
			t.Errorf("error of kind %s: %v", parley.KindOf(err), err)
		}
		if errors.Is(err, simulator.ErrTooLarge) != (len(body) > 1<<16) {
			t.Errorf("a body of %d bytes: %v", len(body), err)
		}
	})
}
