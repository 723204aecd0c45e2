package params

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-im/parley"
)

func seed(f *testing.F) {
	f.Helper()
	for _, s := range [][3]string{
		{"", "", ""},
		{form, "per=2&from=", "message=hi&a%5B%5D=1&a[0]=2"},
		{js, "", `{"message":"hi","a":[1,{"b":null}],"p":"\u0000"}`},
		{js, "", "assignee_id=42"},
		{form, "a[][b]=1&a[][c]=2", "{\"a\":"},
		{"multipart/form-data; boundary=\"b\"", "", multipartOf("a[b]=1&a=2")},
		{"multipart/form-data; boundary=b", "", "--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\nabc\r\n--b--"},
		{"", "%ff=%", "\ufeff null"},
	} {
		f.Add(http.MethodPost, s[0], s[1], s[2])
	}
}

// fuzzRequest makes a request as a server would hand it over; the method matters
// to nobody here.
func fuzzRequest(method, contentType, query, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Method = method
	r.URL.RawQuery = query
	r.Header.Set("Content-Type", contentType)
	return r
}

func FuzzRead(f *testing.F) {
	seed(f)
	const limit = 1 << 12
	f.Fuzz(func(t *testing.T, method, contentType, query, body string) {
		s, err := Read(fuzzRequest(method, contentType, query, body), Options{MaxBody: limit, OnFile: func(file *File) error {
			_, err := io.Copy(io.Discard, file)
			return err
		}})
		if err != nil {
			if parley.KindOf(err) != parley.KindInvalid || s != nil {
				t.Fatalf("error %v, set %v", err, s)
			}
			return
		}
		multipart := strings.EqualFold(mediaType(contentType), "multipart/form-data") // its epilogue is never read
		if !multipart && len(body) > limit {
			t.Fatalf("a body of %d bytes was read", len(body))
		}
		if n := measure(t, s.top, 0); n > MaxParameters {
			t.Fatalf("%d values", n)
		}
		checkCanonical(t, s)
	})
}

// measure counts the values of a set and checks what holds for each.
func measure(t *testing.T, m *members, depth int) (count int) {
	if depth > MaxDepth {
		t.Fatalf("depth %d", depth)
	}
	for i, f := range m.list {
		if m.find(f.name) != &m.list[i].node {
			t.Fatalf("name %q is found elsewhere", f.name)
		}
		count += f.node.measure(t, f.name, depth)
	}
	return count
}

func (n *node) measure(t *testing.T, name string, depth int) int {
	count := 1
	if n.kind == missing || strings.ContainsRune(name+n.text, 0) || !utf8.ValidString(name+n.text) {
		t.Fatalf("kind %d, name %q, text %q", n.kind, name, n.text)
	}
	if n.kind == object {
		return count + measure(t, n.fields, depth+1)
	}
	if n.kind == array && depth >= MaxDepth {
		t.Fatalf("array at depth %d", depth)
	}
	for i := range n.items {
		count += n.items[i].measure(t, "", depth+1)
	}
	return count
}

func checkCanonical(t *testing.T, s *Set) {
	first := s.Canonical()
	d := json.NewDecoder(bytes.NewReader(first))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		t.Fatalf("canonical form %q: %v", first, err)
	}
	again, err := json.Marshal(tree)
	if err != nil || !bytes.Equal(first, again) || !bytes.Equal(first, s.Canonical()) {
		t.Fatalf("canonical form is not stable: %q, %q, %v", first, again, err)
	}
	if _, ok := tree[TokenParameter]; ok {
		t.Fatal("canonical form holds the token")
	}
}

func FuzzBind(f *testing.F) {
	for _, s := range []string{
		"v=1", "v=1510395430123", "v=2017-11-11T10:17:10.655Z", "v=%2B7+(925)+000-00-01", "v[]=1&v[]=x", "v[2]=b&v[1]=a", "v=[1,2]",
		`v={"a":{"v":1}}`, `{"v":{"v":[1]},"w":true}`, "v=https://example.org/", "w=on", "v=&w=1",
	} {
		f.Add(s, "v")
	}
	f.Fuzz(func(t *testing.T, body, name string) {
		s, err := Read(fuzzRequest(http.MethodPost, "", "", body), Options{})
		if err != nil {
			return
		}
		b := s.Bind()
		states := bindAll(t, b, name)
		failed := bytes.ContainsRune(states, rune(Failed))
		if (b.Err() != nil) != failed {
			t.Fatalf("states %v, error %v", states, b.Err())
		}
		if b.Any() != s.Has(name, "w") {
			t.Fatalf("Any is %v", b.Any())
		}
	})
}

// bindAll binds one name as every type, checks the values, and returns the states.
func bindAll(t *testing.T, b *Binder, name string) []byte {
	text, i, yes := b.String(name, Alias("w"), Length(0, 9)), b.Int(name, Between(-5, 5)), b.Bool(name)
	at, phone, u := b.Time(name), b.Phone(name), b.URL(name)
	ints, list, object := b.Ints(name, Min(0)), b.Strings(name, NaturalKeys()), b.Object(name)
	option := b.OneOf(name, []string{"asc", "desc"})
	if utf8.RuneCountInString(text.Value) > 9 || i.Value < -5 || i.Value > 5 || len(phone.Value) > 15 {
		t.Fatalf("out of bounds: %q %d %q", text.Value, i.Value, phone.Value)
	}
	if _, err := at.Value.MarshalJSON(); err != nil {
		t.Fatalf("time %v: %v", at.Value, err)
	}
	if utf8.RuneCountInString(u.Value) > maxURL || object.Given() != (object.Value != nil) {
		t.Fatalf("URL %q, object %v", u.Value, object)
	}
	return []byte{
		byte(text.State), byte(i.State), byte(yes.State), byte(at.State), byte(phone.State), byte(u.State),
		byte(ints.State), byte(list.State), byte(object.State), byte(option.State),
	}
}
