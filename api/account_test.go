package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/signin"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// withSignIn is a gateway whose codes go to a channel.
func withSignIn(tb testing.TB, db *store.DB) (*gateway, chan string) {
	tb.Helper()
	codes := make(chan string, 100)
	service := signin.New(signin.Config{Store: db, Send: func(_ context.Context, _ string, body []byte) error {
		_, rest, _ := strings.Cut(string(body), `"code":"`)
		codes <- rest[:6]
		return nil
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = service.Run(ctx) }) // always nil
	tb.Cleanup(func() { cancel(); running.Wait() })
	return newGateway(tb, db, func(c *Config) { c.SignIn = service }), codes
}

func (n *tenant) setUser(tb testing.TB, c parley.UserChange) {
	tb.Helper()
	u, err := n.db.UserByToken(context.Background(), seal.HashToken(n.token))
	if err == nil {
		err = n.db.SetUser(context.Background(), u.Name, c)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

const annPhone = "79250000001"

// phone lets the tenant sign in.
func (n *tenant) phone(tb testing.TB) {
	tb.Helper()
	phone, url := annPhone, "https://shop.example"
	n.setUser(tb, parley.UserChange{Phone: &phone, WebhookURL: &url})
}

// signIn asks for a code and exchanges it.
func (n *tenant) signIn(tb testing.TB, codes chan string) (access, refresh string) {
	tb.Helper()
	n.do(tb, request{line: "POST /api/verification", body: "phone=" + annPhone, header: noToken}).expect(tb, "ok")
	got := n.do(tb, request{line: "POST /api/sign_in", body: "phone=" + annPhone + "&code=" + awaitCode(tb, codes), header: noToken}).expect(tb, "ok")
	return got.header.Get("Authentication-Token"), got.header.Get("Refresh-Token")
}

func awaitCode(tb testing.TB, codes chan string) string {
	tb.Helper()
	select {
	case code := <-codes:
		return code
	case <-time.After(time.Minute):
		tb.Fatal("no code was sent")
		return ""
	}
}

// TestSignIn is case 134, and what belongs to it.
func TestSignIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g, codes := withSignIn(t, db)
		n := g.tenant(t)
		n.phone(t)
		open := func(line, header, want string) reply {
			t.Helper()
			return n.do(t, request{line: line, header: noToken + "\n" + header}).expect(t, want)
		}
		known := open("POST /api/verification?locale=ru&source=private_api_v2&phone="+annPhone, "", "ok")
		code := awaitCode(t, codes)
		unknown := open("POST /api/verification?locale=ru&source=private_api_v2&phone=79259999999", "", "ok")
		if known.text != `{"status":"ok"}` || known.text != unknown.text {
			t.Errorf("got %s and %s", known.text, unknown.text)
		}
		for _, header := range []http.Header{known.header, unknown.header} {
			header.Del("Date")
		}
		if d := cmp.Diff(known.header, unknown.header); d != "" {
			t.Error(d)
		}
		open("POST /api/sign_in?phone="+annPhone+"&code="+other(code), "", "401 Invalid phone or code")
		open("POST /api/sign_in?phone=79259999999&code="+code, "", "401 Invalid phone or code")
		got := open("POST /api/sign_in?code="+code+"&phone="+url.QueryEscape("+7 (925) 000-00-01"), "", "ok")
		if got.text != `{"status":"ok"}` {
			t.Errorf("got %s", got.text)
		}
		access, refresh := got.header.Get("Authentication-Token"), got.header.Get("Refresh-Token")
		open("GET /p1/companies", "X-Api-Token: "+access, "ok")
		again := open("POST /api/refresh_token", "X-Api-Refresh-Token: "+refresh, "ok")
		next := again.header.Get("Authentication-Token")
		if next == "" || next == access || again.header.Get("Refresh-Token") == refresh || again.text != `{"status":"ok"}` {
			t.Errorf("got %v %s", again.header, again.text)
		}
		open("GET /p1/companies", "X-Api-Token: "+next, "ok")
		open("POST /api/refresh_token", "X-Api-Refresh-Token: "+refresh, "401 Invalid refresh token")
		open("GET /p1/companies", "X-Api-Token: "+next, "401 Invalid API token")
		open("POST /api/refresh_token", "X-Api-Refresh-Token: "+again.header.Get("Refresh-Token"), "401")
	})
}

// other is a code that is not the one given.
func other(code string) string {
	last := "0"
	if strings.HasSuffix(code, "0") {
		last = "1"
	}
	return code[:len(code)-1] + last
}

// TestAccountRefusals are requests below /api that end in an error, in the
// envelope of all errors.
func TestAccountRefusals(t *testing.T) {
	t.Parallel()
	g, _ := withSignIn(t, openSQLite(t))
	n := g.tenant(t)
	for _, y := range []try{
		on("POST /api/verification", "", "400 phone is required"), on("POST /api/verification", "phone=abc", "400 phone is invalid"),
		on("POST /api/sign_in", "", "400 phone code"), on("POST /api/sign_in", "phone=79250000001&code=", "400 code is required"),
		on("POST /api/sign_in", `{"phone":79250000001,"code":[1]}`, "400 code is invalid"),
		on("POST /api/sign_in", `{"phone":79250000001,"code":123456}`, "401 Invalid"),
		on("POST /api/sign_in", `{"phone":`, "400 JSON"), on("POST /api/refresh_token", "", "401 No refresh token"),
		on("POST /api/refresh_token?X-Api-Refresh-Token=x&refresh_token=x", "", "401 No refresh token"),
		on("GET /api", "", "404 Not found"), on("POST /api/", "", "404"), on("POST /api/nothing", "", "404"), on("GET /api/p2/companies/1/auths", "", "404"),
		on("POST /api/companies", "", "404"), on("POST /p1/sign_in", "", "404"), on("POST /api//sign_in/", "", "400 phone code"),
		on("POST /api/verification", "phone=79250000001", "406").with("Accept: text/html"),
	} {
		t.Log(y.line, y.body)
		n.do(t, y.request).expect(t, y.want)
	}
	for _, path := range []string{"verification", "sign_in", "refresh_token"} {
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			got := n.do(t, request{line: method + " /api/" + path + "?phone=79250000001&code=1"}).expect(t, "405 Method not allowed")
			if got.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: Allow is %q", method, path, got.header.Get("Allow"))
			}
		}
	}
	without := newGateway(t, n.db)
	n.gateway = without
	n.post(t, "/api/verification", "phone=79250000001").expect(t, "400 no sign-in")
}

// TestAccessToken: it is looked for after every place of the API token, and is
// good for nothing else.
func TestAccessToken(t *testing.T) {
	t.Parallel()
	g, codes := withSignIn(t, openSQLite(t))
	n := g.full(t)
	n.phone(t)
	access, refresh := n.signIn(t, codes)
	good, bad := "\nX-Api-Token: "+access, "\nX-Api-Token: wrong"
	second := g.tenant(t)
	for _, y := range []try{
		on("GET /p1/companies/{C}", "", "ok").with(noToken + good),
		on("POST /p1/companies", "name=x", "created").with(noToken + good),
		on("POST "+onCV+"/messages", "message=hi", "ok").with(noToken + good),
		on("GET /p1/companies/{C}", "", "401 Invalid").with(noToken + bad),
		on("GET /p1/companies/{C}", "", "401 Invalid").with(noToken + "\nX-Api-Token: " + refresh),
		on("GET /p1/companies/{C}", "", "401 Invalid").with(noToken + "\nX-Api-Token: {T}"),
		on("GET /p1/companies/{C}", "", "401 Invalid").with("X-Private-Api-Token: " + access),
		on("GET /p1/companies/{C}", "", "401 No token").with(noToken + "\nAuthentication-Token: " + access),
		on("GET /p1/companies/{C}", "", "401 No token").with(noToken + "\nAuthorization: Bearer " + access),
		on("GET /p1/companies/{C}?X-Api-Token="+access, "", "401 No token").with(noToken),
		on("GET /p1/companies/{C}", "", "ok").with(bad),
		on("GET /p1/companies/{C}", "", "401").with(badToken + good),
		on("GET /p1/companies/{C}?private_api_token={T}", "", "ok").with(noToken + bad),
		on("GET /p1/companies/{C}?private_api_token=x", "", "401").with(noToken + good),
		on("POST /p1/companies", "name=x&private_api_token={T}", "created").with(noToken + bad),
		on("POST /p1/companies", "name=x&private_api_token=x", "401").with(noToken + good),
		on("GET /p1/companies/"+second.fill("{C}"), "", "404").with(noToken + good),
		on("POST /p1/companies", `{"name":`, "400 JSON").with(noToken + good + "\n" + asJSON),
	} {
		y.header = strings.TrimSpace(y.header)
		t.Log(y.line, y.body)
		n.do(t, y.request).expect(t, y.want)
	}
	text := g.log.String()
	for _, secret := range []string{access, refresh, annPhone} {
		if strings.Contains(text, secret) {
			t.Errorf("%s was logged", secret)
		}
	}
}

// A silentSignIn lets nobody in.
type silentSignIn struct{}

func (silentSignIn) Verify(string) error { return nil }

func (silentSignIn) SignIn(context.Context, string, string) (signin.Tokens, error) {
	return signin.Tokens{}, parley.Errorf(parley.KindUnauthorized, "no")
}

func (silentSignIn) Refresh(context.Context, string) (signin.Tokens, error) {
	return signin.Tokens{}, parley.Errorf(parley.KindUnauthorized, "no")
}

// FuzzAccount throws requests at what needs no token: it answers JSON with one of
// few codes, and hands out nothing.
func FuzzAccount(f *testing.F) {
	for _, s := range [][4]string{
		{"sign_in", "phone=79250000001&code=123456", "", ""}, {"verification", "", "application/json", `{"phone":"+7 925 000 00 01","locale":"ru"}`},
		{"refresh_token", "", "", "x"}, {"/sign_in//", "code[]=1&phone[a]=2", "", "phone=1"}, {"sign_in", "%zz=%ff", "multipart/form-data; boundary=b", "--b\r\n"},
		{"..", "", "", ""}, {"verification", "", "", "phone=\x00"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	server := New(Config{SignIn: silentSignIn{}})
	allowed := map[int]bool{200: true, 400: true, 401: true, 404: true, 405: true}
	f.Fuzz(func(t *testing.T, path, query, contentType, body string) {
		r := httptest.NewRequest(http.MethodPost, "/api/", strings.NewReader(body))
		r.URL = &url.URL{Path: "/api/" + path, RawQuery: query}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set(refreshHeader, body)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if !allowed[w.Code] || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("got %d %q", w.Code, w.Header())
		}
		if w.Header().Get(accessGivenHeader)+w.Header().Get(refreshGivenHeader) != "" {
			t.Error("tokens without a sign-in")
		}
		if w.Code == 200 && w.Body.String() != `{"status":"ok"}` || w.Code != 200 && !strings.HasPrefix(w.Body.String(), `{"status":"errored","errors":[`) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
