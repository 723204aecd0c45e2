package api

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/parley-im/parley/store"
)

func testServer() *Server { return New(Config{Providers: testProviders()}) }

// TestEndpoints finds every endpoint under the spellings that clients use.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	s := testServer()
	for _, e := range s.endpoints() {
		path := strings.NewReplacer("CH", "8", "CV", "9", "ID", "10", "EP", "11", "M", "12", "C", "7").Replace(e.pattern)
		for _, spelling := range []string{path, "/" + path, path + "/", "//" + strings.ReplaceAll(path, "/", "///") + "//", "0" + path} {
			var ids [idNames]int64
			n := s.root.find(spelling, &ids)
			if spelling[0] == '0' {
				if n != nil {
					t.Errorf("%s is found", spelling)
				}
				continue
			}
			if n == nil || n.pattern != e.pattern || n.methods[e.method] == nil {
				t.Errorf("%s %s is not found", e.method, spelling)
				continue
			}
			for name, want := range map[idName]int64{idCompany: 7, idChannel: 8, idConversation: 9, idJob: 10} {
				if ids[name] != want && ids[name] != 0 || name == idCompany && strings.Contains(e.pattern, "C") != (ids[name] == want) {
					t.Errorf("%s: ids %v", spelling, ids)
				}
			}
		}
	}
}

func TestServes(t *testing.T) {
	t.Parallel()
	s := testServer()
	for path, want := range map[string]bool{
		"/p1": true, "/p1/": true, "//p1//companies/": true, "/p1/x": true, "/avatars/original/missing.png": true, "/avatars//original/missing.png/": true,
		"/": false, "/p1x": false, "/p": false, "/console/p1": false, "/avatars": false, "/avatars/original": false, "/P1/companies": false,
	} {
		if got := s.Serves(httptest.NewRequest("GET", "http://gateway"+path, nil)); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}

// FuzzPath compares the router with a slow and simple one.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/p1//companies/", "/p1/companies/5/channels/7/jobs/8", "/p1/companies/%35", "/p1/%2563ompanies", "/p1/companies%2F5", "//", "/p1/../p1/companies",
		"/p1/companies/00005", "/p1/companies/9999999999999999999", "/p1/companies/5/messages/%zz", "/p1/companies/٣"} {
		f.Add(seed)
	}
	s := testServer()
	table := s.endpoints()
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI("/" + path)
		if err != nil {
			t.Skip("no request can have that target")
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = u
		first, rest, _ := next(pathOf(r))
		var ids [idNames]int64
		var got string
		if n := s.root.find(rest, &ids); n != nil && first == "p1" {
			got = n.pattern
		}
		if want := slowly(table, u.EscapedPath()); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
		for _, id := range ids {
			if id < 0 {
				t.Errorf("%q: ids %v", path, ids)
			}
		}
		var again [idNames]int64
		if n := s.root.find("//"+strings.ReplaceAll(rest, "/", "//")+"/", &again); (n == nil) != (s.root.find(rest, &ids) == nil) || n != nil && again != ids {
			t.Errorf("%q: slashes make a difference", path)
		}
	})
}

// slowly matches a path against every pattern, segment by segment.
func slowly(table []endpoint, escaped string) string {
	var segments []string
	for s := range strings.SplitSeq(escaped, "/") {
		if s == "" {
			continue
		}
		plain, err := url.PathUnescape(s)
		if err != nil {
			return ""
		}
		segments = append(segments, plain)
	}
	for _, e := range table {
		if slices.EqualFunc(append([]string{"p1"}, strings.Split(e.pattern, "/")...), segments, func(want, got string) bool {
			if _, id := idSegments[want]; !id {
				return want == got
			}
			n, ok := parseID(got)
			return ok && n > 0
		}) {
			return e.pattern
		}
	}
	return ""
}

// FuzzToken lets no token but our own lead anywhere.
func FuzzToken(f *testing.F) {
	w := walk{key: []byte("k"), list: "channels", user: 1, parent: 2}
	f.Add(w.token(store.Page{After: 5, Desc: true}), "")
	f.Add(w.token(store.Page{After: 5}), "desc")
	f.Add(w.token(store.Page{After: 5, Then: 6, Desc: true}), "desc")
	f.Add("", "asc")
	f.Fuzz(func(t *testing.T, token, direction string) {
		p := w.start(token, direction)
		if p.After != 0 && (w.token(p) != token || direction == "asc" && p.Desc || direction == "desc" && !p.Desc) {
			t.Errorf("%q, %q: got %+v", token, direction, p)
		}
		other := w
		other.user = 3
		if p := other.start(token, direction); p.After != 0 && w.token(p) == token {
			t.Errorf("%q is good for another user", token)
		}
	})
}
