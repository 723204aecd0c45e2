package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// A rawConn is a connection on which anything can be said.
type rawConn struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (s *stage) dial() *rawConn {
	s.t.Helper()
	return dial(s.t, s.listen)
}

func dial(t *testing.T, address string) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawConn{t, conn, bufio.NewReader(conn)}
}

func (w *rawConn) say(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, text); err != nil {
		w.t.Logf("write: %v", err) // refused before it was heard out
	}
}

// hear reads the next answer; nil if the connection ends.
func (w *rawConn) hear() (*http.Response, string) {
	w.t.Helper()
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return nil, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Logf("answer: %v", err)
	}
	return resp, string(body)
}

// statuses are those of all answers until the connection ends.
func (w *rawConn) statuses() string {
	w.t.Helper()
	var all []string
	for {
		resp, _ := w.hear()
		if resp == nil {
			return strings.Join(all, " ")
		}
		all = append(all, strconv.Itoa(resp.StatusCode))
	}
}

// hostileStage is a gateway with a company and nothing else.
func hostileStage(t *testing.T) *stage {
	t.Helper()
	s := bareStage(t, "", nil)
	s.open()
	return s
}

// companyNames are those that the user has.
func (s *stage) companyNames() string {
	s.t.Helper()
	var names []string
	for _, c := range s.api.must("GET", "companies?per=100").Companies {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

// TestSmuggling: a request whose length can be read in two ways is refused, or is
// the last one on its connection, so that nothing behind it is taken for a request.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	s := hostileStage(t)
	const chunked = "6\r\nname=%d\r\n0\r\n\r\n"
	for n, tt := range []struct{ head, body, want string }{
		{"Content-Length: 6\r\nTransfer-Encoding: chunked", chunked, "200"},
		{"Transfer-Encoding: chunked\r\nContent-Length: 6", chunked, "200"},
		{"Transfer-Encoding: chunked\r\nContent-Length: 6", "0\r\n\r\n", "400"},
		{"Transfer-Encoding:\r\n chunked\r\nContent-Length: 6", chunked, "200"},
		{"Content-Length: 6\r\nContent-Length: 7", "name=%d", "400"},
		{"Content-Length: 6\r\nContent-Length: 6", "name=%d", "200 200"},
		{"Content-Length: 6, 7", "name=%d", "400"},
		{"Content-Length: +6", "name=%d", "400"},
		{"Content-Length: -6", "name=%d", "400"},
		{"Content-Length : 6", "name=%d", "400"},
		{"Content-Length:\r\n 6", "name=%d", "200 200"},
		{"X-Fold: a\r\n Content-Length: 3\r\nContent-Length: 6", "name=%d", "200 200"},
		{"Transfer-Encoding: xchunked\r\nContent-Length: 6", "name=%d", "501"},
		{"Transfer-Encoding : chunked", chunked, "400"},
		{"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", chunked, "501"},
		{"Transfer-Encoding: chunked", "6;x=\"\n\"\r\nname=%d\r\n0\r\n\r\n", "400"},
		{"Transfer-Encoding: chunked", "6\r\nname=%dXX0\r\n\r\n", "400"},
		{"Content-Length: 6\r\nX-Nul: a\x00b", "name=%d", "400"},
		{"Content-Length: 6\r\nHost: other", "name=%d", "400"},
	} {
		w := s.dial()
		body := strings.ReplaceAll(tt.body, "%d", string(rune('a'+n)))
		w.say("POST /p1/companies HTTP/1.1\r\nHost: g\r\nX-Private-Api-Token: " + s.api.token + "\r\n" + tt.head + "\r\n\r\n" + body +
			"GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
		if got := w.statuses(); got != tt.want {
			t.Errorf("%q %q: got %s, want %s", tt.head, body, got, tt.want)
		}
	}
	if got, want := s.companyNames(), "shop a b d f k l"; got != want {
		t.Errorf("companies %s, want %s", got, want)
	}
}

// TestDeclaredLength: a body that is announced to be huge is refused before any of
// it has come.
func TestDeclaredLength(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", nil)
	conversation := s.meet("ann", "hello")
	companies, token := "/p1/companies", "X-Private-Api-Token: "+s.api.token+"\r\n"
	upload := "/p1/" + s.path("/conversations/%d/messages/attachments", conversation)
	for _, tt := range []struct{ path, header, want string }{
		{companies, token, "400"}, {companies, "", "401"}, {companies, token + "Content-Type: application/json\r\n", "400"},
		{companies, token + "Content-Type: multipart/form-data; boundary=b\r\n", "400"}, {companies, token + "Expect: 100-continue\r\n", "400"},
		{upload, token + "Content-Type: multipart/form-data; boundary=b\r\n", "400"}, {upload, token, "400"},
		{"/api/sign_in", "", "400"}, {"/api/verification", "", "400"}, {"/p1/nothing", token, "404"}, {"/nothing", "", "404"},
		{"/callbacks/telegram/wrong", "", "401"},
	} {
		w := s.dial()
		w.say("POST " + tt.path + " HTTP/1.1\r\nHost: g\r\nContent-Length: 2147483648\r\n" + tt.header + "\r\n")
		resp, body := w.hear()
		if resp == nil || strconv.Itoa(resp.StatusCode) != tt.want {
			t.Errorf("%s %q: got %v %s, want %s", tt.path, tt.header, resp, body, tt.want)
		}
		_ = w.conn.Close()
	}
}

// TestManyAndDeep: many fields and deep nesting are refused beyond their limits,
// and what is within them costs nothing.
func TestManyAndDeep(t *testing.T) {
	t.Parallel()
	s := hostileStage(t)
	many := func(format, sep string) string {
		var b strings.Builder
		for n := range 10_000 {
			fmt.Fprintf(&b, format, n)
			b.WriteString(sep)
		}
		return b.String()
	}
	nested := func(n int) string { return "name=x&data" + strings.Repeat("[a]", n) + "=1" }
	deep := func(n int) string {
		return `{"name":"x","data":` + strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) + "}"
	}
	lists := func(n int) string {
		return `{"name":"x","data":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"form of 10 000", many("f%d=1", "&") + "name=x", 400}, {"list of 10 000", many("f[]=%d", "&") + "name=x", 400},
		{"JSON of 10 000", "{" + many(`"f%d":1`, ",") + `"name":"x"}`, 400}, {"JSON list of 10 000", `{"name":"x","f":[` + many("%d", ",") + "0]}", 400},
		{"form 31 deep", nested(31), 200}, {"form 33 deep", nested(33), 400}, {"form 10 000 deep", nested(10_000), 400},
		{"JSON 31 deep", deep(31), 200}, {"JSON 33 deep", deep(33), 400}, {"JSON 10 000 deep", deep(10_000), 400},
		{"lists 31 deep", lists(31), 200}, {"lists 33 deep", lists(33), 400}, {"lists 100 000 deep", lists(100_000), 400},
		{"NUL", "name=a%00b", 200}, {"NUL in JSON", `{"name":"a\u0000b"}`, 200}, {"raw NUL", "name=a\x00b", 200}, {"only NUL", "name=%00", 400},
		{"invalid UTF-8", "name=a%ffb", 400}, {"raw invalid UTF-8", "name=a\xffb", 400}, {"surrogate in UTF-8", "name=a\xed\xa0\x80b", 400},
		{"half a surrogate", `{"name":"a\ud800b"}`, 200},
	} {
		r := s.raw(tt.body)
		if r.status != tt.want || !json.Valid(r.body) {
			t.Errorf("%s: %d %s, want %d", tt.name, r.status, r.body, tt.want)
		}
	}
	if names := s.companyNames(); strings.ContainsRune(names, 0) || strings.Count(names, "ab") != 3 || !utf8.ValidString(names) {
		t.Errorf("companies %q", names)
	}
	w := s.dial()
	w.say("GET /healthz HTTP/1.1\r\nHost: g\r\n" + many("X-%d: 1", "\r\n") + "\r\n")
	if resp, _ := w.hear(); resp == nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("10 000 headers: %v", resp)
	}
}

// raw posts a body to the companies without saying what it is.
func (s *stage) raw(body string) apiReply {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.api.base+"/p1/companies", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Private-Api-Token", s.api.token)
	return s.api.send(req)
}

// TestSlowClients: who does not go on is hung up on. The limits are those of the
// server, made short.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := hostileStage(t)
	server := newServer(s.gateway.routes())
	for _, limit := range []*time.Duration{&server.ReadHeaderTimeout, &server.ReadTimeout, &server.IdleTimeout} {
		if *limit <= 0 || *limit > 2*time.Minute {
			t.Errorf("a limit of %v", *limit)
		}
		*limit = 200 * time.Millisecond
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // always ErrServerClosed
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	head := "POST /p1/companies HTTP/1.1\r\nHost: g\r\nX-Private-Api-Token: " + s.api.token + "\r\n"
	for _, tt := range []struct{ name, said, want string }{
		{"silence", "", ""}, {"half a line", "POST /p1/comp", "400 or nothing"}, {"half a header", head + "Content-Le", "400 or nothing"}, {"no end of the header", head, "400 or nothing"},
		{"no body", head + "Content-Length: 100\r\n\r\n", "400"}, {"half a body", head + "Content-Length: 100\r\n\r\nname=x", "400"},
		{"half a chunk", head + "Transfer-Encoding: chunked\r\n\r\n64\r\nname=x", "400"}, {"no last chunk", head + "Transfer-Encoding: chunked\r\n\r\n6\r\nname=x\r\n", "400"},
		{"nothing more", "GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n", "200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := dial(t, l.Addr().String())
			w.say(tt.said)
			if got := w.statuses(); got != tt.want && (tt.want != "400 or nothing" || got != "" && got != "400") {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Cleanup(func() {
		if got := s.companyNames(); got != "shop" {
			t.Errorf("companies %s", got)
		}
	})
}

// TestTokensInWrongPlaces: wherever a client puts a token by mistake, it is not
// logged, at any level, nor told to anybody else.
func TestTokensInWrongPlaces(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", nil)
	conversation := s.meet("ann", "hello")
	token := s.api.token
	messages := s.path("/conversations/%d/messages", conversation)
	multipart := "--b\r\nContent-Disposition: form-data; name=\"" + token + "\"\r\n\r\n" + token + "\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" +
		token + "\"\r\nContent-Type: " + token + "\r\n\r\nx\r\n--b--\r\n"
	for _, tt := range []struct{ line, header, body string }{
		{"GET /p1/" + token + "/companies", "", ""}, {"GET /p1/companies/" + token, "", ""}, {"GET /" + token, "", ""}, {"GET /p1/companies?" + token + "=" + token, "", ""},
		{"GET /p1/companies?from=" + token, "X-Private-Api-Token: " + token, ""}, {"GET /callbacks/telegram/" + token, "", ""}, {"POST /callbacks/" + token + "/x", "", token},
		{"GET /files/" + token, "", ""}, {"GET /api/" + token, "", ""}, {"POST /api/sign_in?phone=" + token + "&code=" + token, "", ""},
		{"POST /api/sign_in?phone=79250000001&code=" + token, "", ""}, {"POST /api/refresh_token", "X-Api-Refresh-Token: " + token, ""}, {"GET /avatars/" + token, "", ""},
		{token + " /p1/companies", "", ""}, {"GET /p1/companies", "Authorization: Bearer " + token, ""}, {"GET /p1/companies", "User-Agent: " + token, ""},
		{"GET /p1/companies", "Cookie: token=" + token, ""}, {"GET /p1/companies", "X-Api-Token: " + token, ""}, {"GET /p1/companies", "Accept: " + token, ""},
		{"GET /p1/companies", "Referer: http://x/" + token, ""}, {"GET /p1/companies", token + ": x", ""}, {"GET /p1/companies", "X-Forwarded-For: " + token, ""},
		{"GET /p1/companies", "Content-Type: " + token, ""}, {"GET /metrics?" + token, "", ""}, {"GET /healthz?" + token, "", ""}, {"GET /readyz?" + token, "", ""},
		{"POST /p1/" + messages, "X-Private-Api-Token: " + token + "\r\nTraceparent: " + token + "\r\nIdempotency-Key: " + token, "message=hi"},
		{"POST /p1/" + messages, "X-Private-Api-Token: " + token, "message=hi&attachments_ids=" + token}, {"POST /p1/companies", "X-Private-Api-Token: " + token, `{"` + token + `":`},
		{"POST /p1/companies", "Content-Type: multipart/form-data; boundary=b", multipart},
		{"POST /p1/" + messages + "/attachments", "X-Private-Api-Token: " + token + "\r\nContent-Type: multipart/form-data; boundary=b", multipart},
		{"POST /p1/" + messages + "/attachments", "X-Private-Api-Token: " + token + "\r\nContent-Type: multipart/form-data; boundary=" + token, multipart},
		{"POST /p1/" + messages + "/attachments", "X-Private-Api-Token: " + token, "file_url=http://127.0.0.1:1/" + token},
		{"PUT /p1/" + s.path(""), "X-Private-Api-Token: " + token, "webhook_url=http://127.0.0.1:1/" + token},
	} {
		w := s.dial()
		w.say(fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n\r\n%s", tt.line, token, len(tt.body), tt.header, tt.body))
		resp, body := w.hear()
		switch {
		case resp == nil:
			t.Errorf("%s: no answer", tt.line)
		case strings.Contains(body, token) && !strings.Contains(tt.body, token):
			t.Errorf("%s: answered %s", tt.line, body)
		}
	}
	s.stop()
	log := s.logs.String()
	if strings.Count(log, "level=DEBUG") < 20 {
		t.Errorf("the log was not talkative:\n%s", log)
	}
	if i := strings.Index(log, token); i >= 0 {
		start := strings.LastIndexByte(log[:i], '\n') + 1
		end := strings.IndexByte(log[i:], '\n') + i
		t.Errorf("the token was logged: %s", log[start:end])
	}
}
