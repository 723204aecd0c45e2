package telegram

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A shelf answers getFile with one answer after another and serves files below
// /file/; the last answer is repeated.
type shelf struct {
	paths  []string // answers of getFile
	status []int    // of the downloads; 0 is 200
	body   string
	header map[string]string
	asked  []string
	files  int
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	path := strings.Replace(r.URL.EscapedPath(), "bot"+testToken, "bot", 1)
	s.asked = append(s.asked, r.Method+" "+path+" "+string(body))
	for k, v := range s.header {
		w.Header().Set(k, v)
	}
	if strings.HasSuffix(path, "/getFile") {
		i := len(s.asked) - 1 - s.files
		_, _ = io.WriteString(w, s.paths[min(i, len(s.paths)-1)])
		return
	}
	if status := s.status[min(s.files, len(s.status)-1)]; status != 0 {
		w.WriteHeader(status)
	}
	s.files++
	_, _ = io.WriteString(w, s.body)
}

func where(path string) string {
	return fmt.Sprintf(`{"ok":true,"result":{"file_id":"f1","file_unique_id":"u1","file_size":5,"file_path":%q}}`, path)
}

func refuses(status int, description string) string {
	return fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q}`, status, description)
}

const (
	askFile  = `POST /bot/getFile {"file_id":"f1"}`
	localDir = "/var/lib/telegram-bot-api/" + testToken + "/"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		shelf shelf
		size  int64
		asked []string
	}{
		{"plain", shelf{paths: []string{where("photos/file_12.jpg")}, status: []int{0}, body: "bytes!"}, 6,
			[]string{askFile, "GET /file/bot/photos/file_12.jpg "}},
		{"odd name", shelf{paths: []string{where("documents/a b?c#d%2e%2e;я:.pdf")}, status: []int{0}, body: "bytes"}, 5,
			[]string{askFile, "GET /file/bot/documents/a%20b%3Fc%23d%252e%252e%3B%D1%8F:.pdf "}},
		{"moved meanwhile", shelf{paths: []string{where("photos/file_1.jpg"), where("photos/file_2.jpg")}, status: []int{404, 0}, body: "bytes"}, 5,
			[]string{askFile, "GET /file/bot/photos/file_1.jpg ", askFile, "GET /file/bot/photos/file_2.jpg "}},
		{"local path that is served", shelf{paths: []string{where(localDir + "photos/file_1.jpg")}, status: []int{0}, body: "bytes"}, 5,
			[]string{askFile, "GET /file/bot/photos/file_1.jpg "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, server := tt.shelf.open(t)
			got, err := c.Fetch(context.Background(), &parley.Attachment{Source: "f1"})
			if err != nil {
				t.Fatal(err)
			}
			text := readAll(t, got.Body)
			if err := got.Body.Close(); err != nil || text != tt.shelf.body || got.Size != tt.size || got.Type != "" {
				t.Errorf("got %q of size %d and type %q, close %v", text, got.Size, got.Type, err)
			}
			server.Close()
			if diff := cmp.Diff(tt.asked, tt.shelf.asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func (s *shelf) open(t *testing.T) (*client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	hc := server.Client()
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return open(t, connector.Env{HTTP: hc, Base: server.URL}), server
}

// A server that streams does not say how long a file is; getFile does.
func TestFetchSize(t *testing.T) {
	t.Parallel()
	for size, want := range map[string]int64{"5": 5, "0": 0, "-5": 0} {
		c := open(t, envOf(doer(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return answering(200, "bytes")(r)
			}
			return answering(200, `{"ok":true,"result":{"file_size":`+size+`,"file_path":"a"}}`)(r)
		})))
		got, err := c.Fetch(context.Background(), &parley.Attachment{Source: "f1"})
		if err != nil || got.Size != want {
			t.Errorf("file_size %s: got %d and %v, want %d", size, got.Size, err, want)
		}
	}
}

func TestFetchFails(t *testing.T) {
	t.Parallel()
	const good = "photos/file_1.jpg"
	tests := []struct {
		name   string
		path   string // answer of getFile
		status int
		body   string
		kind   parley.Kind
		code   string
		asked  int
	}{
		{"too big", refuses(400, "Bad Request: file is too big"), 0, "", parley.KindRejected, "file_too_large", 1},
		{"temporarily unavailable", refuses(400, "Bad Request: wrong file_id or the file is temporarily unavailable"), 0, "", parley.KindUnavailable, "file_unavailable", 1},
		{"invalid id", refuses(400, "Bad Request: invalid file_id"), 0, "", parley.KindRejected, "file_id", 1},
		{"no id", refuses(400, "Bad Request: file_id not specified"), 0, "", parley.KindRejected, "file_id", 1},
		{"throttled", refuses(429, "Too Many Requests: retry after 3"), 0, "", parley.KindThrottled, "throttled", 1},
		{"token dead", refuses(401, "Unauthorized"), 0, "", parley.KindLoggedOut, "unauthorized", 1},
		{"nonsense", "<html>", 0, "", parley.KindUnavailable, "unreadable", 1},
		{"no path", `{"ok":true,"result":{"file_id":"f1"}}`, 0, "", parley.KindUnavailable, "unreadable", 1},
		{"up", where("../getMe"), 0, "", parley.KindRejected, "file_path", 1},
		{"up within", where("photos/../../getMe"), 0, "", parley.KindRejected, "file_path", 1},
		{"here", where("./a"), 0, "", parley.KindRejected, "file_path", 1},
		{"double slash", where("photos//a"), 0, "", parley.KindRejected, "file_path", 1},
		{"directory", where("photos/"), 0, "", parley.KindRejected, "file_path", 1},
		{"backslash", where(`photos\..\a`), 0, "", parley.KindRejected, "file_path", 1},
		{"line break", where("a\r\nHost: b"), 0, "", parley.KindRejected, "file_path", 1},
		{"long", where(strings.Repeat("a", 1025)), 0, "", parley.KindRejected, "file_path", 1},
		{"local", where("/etc/passwd"), 0, "", parley.KindRejected, "file_local", 1},
		{"local and up", where(localDir + "../../etc/passwd"), 0, "", parley.KindRejected, "file_path", 1},
		{"local and not served", where(localDir + "photos/a"), 404, "", parley.KindRejected, "file_local", 4},
		{"gone", where(good), 404, refuses(404, "Not Found"), parley.KindUnavailable, "file_missing", 4},
		{"gone in html", where(good), 404, "<html>", parley.KindUnavailable, "file_missing", 4},
		{"download unauthorized", where(good), 401, refuses(401, "Unauthorized"), parley.KindUnavailable, "unauthorized", 2},
		{"download throttled", where(good), 429, "<html>", parley.KindThrottled, "throttled", 2},
		{"download out of order", where(good), 502, "<html>", parley.KindUnavailable, "server_error", 2},
		{"redirect", where(good), 302, "", parley.KindUnavailable, "unknown:302", 2},
		{"part", where(good), 206, "byt", parley.KindUnavailable, "unknown:206", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{paths: []string{tt.path}, status: []int{tt.status}, body: tt.body}
			if tt.status == 302 {
				s.header = map[string]string{"Location": "http://elsewhere.test/"}
			}
			c, server := s.open(t)
			got, err := c.Fetch(context.Background(), &parley.Attachment{Source: "f1"})
			checkError(t, err, tt.kind, tt.code)
			server.Close()
			if got.Body != nil || len(s.asked) != tt.asked {
				t.Errorf("got body %v after %d requests, want none after %d", got.Body, len(s.asked), tt.asked)
			}
			hides(t, err)
		})
	}
}

func TestFetchReason(t *testing.T) {
	t.Parallel()
	c := open(t, envOf(answering(400, refuses(400, "Bad Request: file is too big"))))
	_, err := c.Fetch(context.Background(), &parley.Attachment{Source: "f1"})
	if got, want := parley.Reason(err), "larger than the 20 MB that Telegram gives out to bots"; got != want {
		t.Errorf("got reason %q, want %q", got, want)
	}
}

// Neither an error nor the log shows the token, which is in every address.
func TestFetchHidesToken(t *testing.T) {
	t.Parallel()
	leak := func(r *http.Request) error { return &url.Error{Op: r.Method, URL: r.URL.String(), Err: io.EOF} }
	doers := map[string]doer{
		"getFile": func(r *http.Request) (*http.Response, error) { return nil, leak(r) },
		"download": func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return nil, leak(r)
			}
			return answering(200, where("a"))(r)
		},
		"echo": func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return answering(400, refuses(400, "Bad Request: "+r.URL.Path))(r)
			}
			return answering(200, where("a"))(r)
		},
	}
	for name, d := range doers {
		log := &buffer{}
		c := open(t, connector.Env{HTTP: d, Log: slog.New(slog.NewTextHandler(log, nil))})
		_, err := c.Fetch(context.Background(), &parley.Attachment{Source: "f1"})
		hides(t, err)
		if name != "echo" && parley.KindOf(err) != parley.KindUnavailable {
			t.Errorf("%s: got kind %s, want unavailable, as asking again does no harm", name, parley.KindOf(err))
		}
		if strings.Contains(log.String(), testSecret) {
			t.Errorf("%s: the log shows the token: %s", name, log)
		}
	}
}

// Whatever getFile says, the download stays below the address for files.
func FuzzFetch(f *testing.F) {
	f.Add(200, where("photos/file_12.jpg"), 200)
	f.Add(200, where("../../x"), 404)
	f.Add(200, where(localDir+"a"), 404)
	f.Add(400, refuses(400, "Bad Request: file is too big"), 200)
	f.Fuzz(func(t *testing.T, status int, body string, download int) {
		calls := 0
		c := open(t, envOf(doer(func(r *http.Request) (*http.Response, error) {
			if calls++; r.Method != http.MethodGet {
				return answering(status, body)(r)
			}
			below, ok := strings.CutPrefix(r.URL.Path, "/file/bot"+testToken+"/")
			if !ok || r.URL.Host != "telegram.test" || r.URL.RawQuery != "" || strings.Contains("/"+below+"/", "/../") {
				t.Errorf("a file is asked for at %s", r.URL)
			}
			return answering(download, "bytes")(r)
		})))
		got, err := c.Fetch(context.Background(), &parley.Attachment{Source: "f1"})
		if calls > 5 || (err == nil) == (got.Body == nil) || got.Size < 0 || parley.KindOf(err) == parley.KindInternal {
			t.Errorf("%d calls gave %+v and %v", calls, got, err)
		}
	})
}
