package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// TestKinds checks the answer to every kind of error.
func TestKinds(t *testing.T) {
	t.Parallel()
	want := map[parley.Kind]string{
		parley.KindInvalid: "400 validation_failed [m] 0", parley.KindUnauthorized: "401 unauthorized [m] 0", parley.KindPayment: "402 payment_required [m] 0",
		parley.KindForbidden: "403 forbidden [m] 0", parley.KindNotFound: "404 not_found [m] 0", parley.KindConflict: "400 validation_failed [m] 0",
		parley.KindUnsupported: "400 validation_failed [m] 0", parley.KindRejected: "400 validation_failed [m] 0", parley.KindUnreachable: "400 validation_failed [m] 0",
		parley.KindThrottled: "429 too_many_requests [Please wait for 50 seconds] 50", parley.KindUnavailable: "503 unavailable [Service Unavailable] 50",
		parley.KindUncertain: "503 unavailable [Service Unavailable] 50", parley.KindLoggedOut: "400 validation_failed [m] 0",
		parley.KindInternal: "500 internal_error [Internal Server Error] 0",
	}
	for _, kind := range parley.Kinds() {
		f := failureOf(fmt.Errorf("doing: %w", &parley.Error{Kind: kind, Message: "m", RetryAfter: 49*time.Second + 1, Err: errors.New("cause")}))
		if got := fmt.Sprint(f.status, " ", f.code, " ", f.errors, " ", seconds(f.retry)); got != want[kind] {
			t.Errorf("%s: got %s, want %s", kind, got, want[kind])
		}
	}
	for _, err := range []error{context.Canceled, fmt.Errorf("x: %w", context.DeadlineExceeded), parley.Errorf(parley.KindUnavailable, "m")} {
		if f := failureOf(err); f.status != 503 || f.retry != retryDefault {
			t.Errorf("%v: got %+v", err, f)
		}
	}
	if f := failureOf(io.ErrUnexpectedEOF); f.status != 500 || f.errors[0] != "Internal Server Error" {
		t.Errorf("a plain error: got %+v", f)
	}
}

// A brokenStore fails where it is told to.
type brokenStore struct {
	*store.DB
	fail func() error
}

func (b *brokenStore) Accept(ctx context.Context, in *store.Accept) (store.Accepted, error) {
	if err := b.fail(); err != nil {
		return store.Accepted{}, err
	}
	return b.DB.Accept(ctx, in)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	broken := &brokenStore{DB: db}
	g := newGateway(t, db, func(c *Config) { c.Store = broken })
	n := g.full(t)
	var none []int
	for _, tc := range []struct {
		name, want, body, logged string
		fail                     func() error
	}{
		{"unavailable", "503", `{"status":"errored","errors":["Service Unavailable"],"code":"unavailable"}`, "level=WARN msg=request",
			func() error { return parley.Errorf(parley.KindUnavailable, "the database is away") }},
		{"internal", "500", `{"status":"errored","errors":["Internal Server Error"],"code":"internal_error"}`, "kind=internal",
			func() error { return errors.New("SQL in row 7") }},
		{"panic", "500", `{"status":"errored","errors":["Internal Server Error"],"code":"internal_error"}`, "index out of range",
			func() error { _ = none[len(n.token)]; return nil }},
		{"panic of a value", "500", `{"status":"errored","errors":["Internal Server Error"],"code":"internal_error"}`, "not a runtime error",
			func() error { panic("said by a client") }},
	} {
		broken.fail = tc.fail
		got := n.post(t, messagesPath, "message=said by a client").expect(t, tc.want)
		if diff := cmp.Diff(tc.body, got.text); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
		if (got.header.Get("Retry-After") == "2") != (got.code == 503) {
			t.Errorf("%s: Retry-After is %q", tc.name, got.header.Get("Retry-After"))
		}
		if text := g.log.String(); !strings.Contains(text, tc.logged) || strings.Contains(text, "said by a client") {
			t.Errorf("%s: logged\n%s", tc.name, text)
		}
	}
	broken.fail = func() error { return nil }
	n.post(t, messagesPath, "message=x").expect(t, "ok")
}

// TestAbort passes on the panic by which a handler tells package http to hang up.
func TestAbort(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	broken := &brokenStore{DB: db, fail: func() error { panic(http.ErrAbortHandler) }}
	n := newGateway(t, db, func(c *Config) { c.Store = broken }).full(t)
	r := httptest.NewRequest(http.MethodPost, n.fill(messagesPath), strings.NewReader("message=x"))
	r.Header.Set("X-Private-Api-Token", n.token)
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("got panic %v", p)
		}
	}()
	n.server.ServeHTTP(httptest.NewRecorder(), r)
}

// TestCutBody sends half a message: nothing is stored.
func TestCutBody(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).full(t)
	for _, head := range []string{"Content-Length: 100\r\n\r\nmessage=half", "Transfer-Encoding: chunked\r\n\r\nc\r\nmessage=half\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: g\r\nX-Private-Api-Token: %s\r\n%s", n.fill(messagesPath), n.token, head)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(conn) // whatever comes, the connection ends after it
		if strings.Contains(string(answer), " 200 ") {
			t.Errorf("got %s", answer)
		}
		_ = conn.Close()
	}
	if jobs := n.open(t, "WA"); len(jobs) != 0 {
		t.Errorf("got jobs %+v", jobs)
	}
	n.post(t, messagesPath, strings.Repeat("x", 2<<20)).expect(t, "400 body too large")
}

// TestNoSecretsInLogs makes every sort of request, and looks for what they said.
func TestNoSecretsInLogs(t *testing.T) {
	t.Parallel()
	g := newGateway(t, openSQLite(t))
	n := g.full(t)
	url, _ := receiver(t, http.StatusOK)
	n.post(t, "/p1/companies?private_api_token={T}", "name=NAME-X&phone=PHONE-X&webhook_url="+url+"/HOOK-X").expect(t, "created")
	n.post(t, channelsPath, "provider=vkontakte_direct&token=CREDENTIAL-X").expect(t, "created")
	n.put(t, channelsPath+"/{TG}", "token=CREDENTIAL-Y").expect(t, "updated")
	n.keyed(t, messagesPath, "message=TEXT-X", "KEY-X").expect(t, "ok")
	n.keyed(t, messagesPath, "message=TEXT-Y", "KEY-X").expect(t, "400")
	n.post(t, conversationsPath, "provider=whatsapp&phone=79251234567&text=TEXT-X").expect(t, "ok")
	n.put(t, onCV+"/note", "note=NOTE-X").expect(t, "updated")
	secret := n.get(t, "/p1/companies/{C}/webhook_secret").expect(t, "ok").at("data", "secret").(string)
	n.get(t, "/p1/PATH-X/companies?from=QUERY-X").expect(t, "404")
	n.do(t, request{line: "GET /p1/companies", header: "X-Private-Api-Token: BAD-X"}).expect(t, "401")
	n.do(t, request{line: "METHOD-X /p1/companies"}).expect(t, "405")
	text := g.log.String()
	for _, said := range []string{n.token, secret, url, "-X", "-Y", "79251234567", "79250000001", "Hello", "Ann"} {
		if strings.Contains(text, said) {
			t.Errorf("%q was logged", said)
		}
	}
	for _, want := range []string{
		n.fill("level=DEBUG msg=request method=POST route=/p1/companies/C/conversations/CV/messages status=200 took_ms="),
		n.fill("company_id={C}"), fmt.Sprint("user_id=", n.user), "route=none status=404", "method=other",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q was not logged", want)
		}
	}
	if lines := strings.Count(text, "msg=request"); lines != 11 {
		t.Errorf("got %d lines for 11 requests", lines)
	}
}
