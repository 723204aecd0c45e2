package api

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// A keyedCase is a POST under a key, and a body of other parameters.
type keyedCase struct {
	path, body, other, want string
}

// keyedCases has a line for every POST of the table that can succeed here.
func keyedCases(files string) map[string]keyedCase {
	return map[string]keyedCase{
		"companies":                             {"/p1/companies", "name=a", "name=b", "created"},
		"companies/C/channels":                  {channelsPath, "provider=viber&token=a", "provider=viber&token=b", "created"},
		"companies/C/conversations":             {conversationsPath, "provider=whatsapp&phone=79250000055", "provider=whatsapp&phone=79250000056", "ok"},
		"companies/C/conversations+":            {conversationsPath, "provider=whatsapp&phone=79250000055&text=hi", "provider=whatsapp&phone=79250000055&text=ho", "ok"},
		"companies/C/conversations/CV/messages": {messagesPath, "message=a", "message=b", "ok"},
		"companies/C/conversations/CV/message":  {onCV + "/message", "message=a", "message=b", "ok"},
		uploadPattern:                           {messagesPath + "/attachments", "file_url=" + files + "/a", "file_url=" + files + "/b", "ok"},
		"companies/C/channels/CH":               {channelsPath + "/{WA}", "phone=79250000066&message=a", "phone=79250000066&message=b", "ok"},
		"companies/C/channels/CH/conversations": {channelsPath + "/{WB}/conversations", "phone=79250000066&template[id]=a&template[language_code]=en", "phone=79250000066&template[id]=b&template[language_code]=en", "ok"},
		"companies/C/service_messages":          {"/p1/companies/{C}/service_messages", "phone=79250000066&short_text=a&long_text=a", "phone=79250000066&short_text=a&long_text=b", "ok"},
		"companies/C/webhooks":                  {"/p1/companies/{C}/webhooks", "url=" + files, "url=" + files + "/b", "created"},
		"companies/C/webhooks/EP/secret":        {"/p1/companies/{C}/webhooks/{EP}/secret", "", "x=1", "ok"},
		"companies/C/webhook_secret":            {"/p1/companies/{C}/webhook_secret", "", "x=1", "ok"},
		"companies/C/dead_letters/replay":       {"/p1/companies/{C}/dead_letters/replay", "", "event_ids[]=1", "ok"},
	}
}

// TestKeysEverywhere: whatever POST is repeated under its key, it is done once, and
// the first answer comes again.
func TestKeysEverywhere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := newGateway(t, db)
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("bytes")) }))
		t.Cleanup(web.Close)
		for name, k := range keyedCases(web.URL) {
			n := g.full(t)
			n.ids["EP"] = int64(n.get(t, "/p1/companies/{C}/webhooks").rows(t, "webhooks", "id")[0].(float64))
			first := n.keyed(t, k.path, k.body, "k").expect(t, k.want)
			again := n.keyed(t, k.path, k.body, "k").expect(t, k.want)
			if replayed(first) || !replayed(again) || again.text != first.text {
				t.Errorf("%s: got %s (replay %v), and then %s (replay %v)", name, first.text, replayed(first), again.text, replayed(again))
			}
			n.keyed(t, k.path, k.other, "k").expect(t, "400 Idempotency-Key")
		}
	})
}

// TestKeyedPosts: a POST that is new in the table is tested under a key, too.
func TestKeyedPosts(t *testing.T) {
	t.Parallel()
	cases := keyedCases("")
	for _, e := range newGateway(t, openSQLite(t)).server.endpoints() {
		if _, ok := cases[e.pattern]; !ok && e.method == http.MethodPost && !keyedElsewhere[e.pattern] {
			t.Errorf("POST %s has no case in keyedCases", e.pattern)
		}
	}
}

// keyedElsewhere are POSTs that have a test of their own.
var keyedElsewhere = map[string]bool{
	"companies/C/channels/CH/request_code": true, "companies/C/channels/CH/confirm": true, // TestKeyedCode
	"companies/C/channels/CH/enable_page_instagram": true, // as confirm: an effect outside
}

// TestKeyedCompany: a repeat does not test the webhook address again, nor make
// another company.
func TestKeyedCompany(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).tenant(t)
	url, bodies := receiver(t, http.StatusOK)
	first := n.keyed(t, "/p1/companies", "name=x&webhook_url="+url, "k").expect(t, "created").id(t)
	again := n.keyed(t, "/p1/companies", "name=x&webhook_url="+url, "k").expect(t, "created").id(t)
	if first != again || len(bodies()) != 1 {
		t.Errorf("got companies %d and %d, and tests %q", first, again, bodies())
	}
}

// TestKeyedSecret: the repeat of a rotation tells the same secret, and it is the
// one in force.
func TestKeyedSecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).tenant(t)
		const path = "/p1/companies/{C}/webhook_secret"
		secret := n.keyed(t, path, "", "k").expect(t, "ok").at("data", "secret").(string)
		again := n.keyed(t, path, "", "k").expect(t, "ok").at("data", "secret")
		if got := n.get(t, path).at("data", "secret"); got != secret || again != secret {
			t.Errorf("got %v, again %v, want %s", got, again, secret)
		}
	})
}

// filled makes the body of an upload.
func filled(tb testing.TB, name, text string, fields ...string) (body, contentType string) {
	tb.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write([]byte(text))
	}
	for i := 0; i+1 < len(fields); i += 2 {
		_ = w.WriteField(fields[i], fields[i+1])
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// TestKeyedUpload: an upload is known by the digest of its file, whatever the
// boundary, and another file is another request.
func TestKeyedUpload(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		upload := func(name, text string, fields ...string) reply {
			body, kind := filled(t, name, text, fields...)
			return n.do(t, request{line: "POST " + messagesPath + "/attachments", body: body, header: "Idempotency-Key: k\nContent-Type: " + kind})
		}
		first := upload("a.txt", "text").expect(t, "ok")
		again := upload("a.txt", "text").expect(t, "ok")
		if first.id(t) != again.id(t) || !replayed(again) || replayed(first) {
			t.Errorf("got %s and %s", first.text, again.text)
		}
		for _, other := range []reply{upload("a.txt", "texT"), upload("b.txt", "text"), upload("a.txt", "text", "push_to_talk", "1")} {
			other.expect(t, "400 Idempotency-Key")
		}
	})
}

// TestUnderWay: a repeat of a request with an effect outside, while the first
// runs, is told to come again; a stranger's key is another key.
func TestUnderWay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		begun, end := make(chan struct{}), make(chan struct{})
		var once sync.Once
		n := newGateway(t, db, func(c *Config) {
			c.TestWebhook = func(ctx context.Context, url string) error {
				if strings.Contains(url, "slow") {
					once.Do(func() { close(begun) })
					<-end
				}
				return nil
			}
		}).tenant(t)
		other := n.gateway.tenant(t)
		const body = "name=x&webhook_url=http://slow.test"
		var first reply
		var wait sync.WaitGroup
		wait.Go(func() { first = n.keyed(t, "/p1/companies", body, "k") })
		<-begun
		got := n.keyed(t, "/p1/companies", body, "k").expect(t, "409 Idempotency-Key")
		if got.header.Get("Retry-After") == "" || got.body["code"] != "conflict" {
			t.Errorf("got %s, Retry-After %q", got.text, got.header.Get("Retry-After"))
		}
		n.keyed(t, "/p1/companies", "name=y", "k").expect(t, "400 Idempotency-Key")
		other.keyed(t, "/p1/companies", "name=x", "k").expect(t, "created")
		close(end)
		wait.Wait()
		again := n.keyed(t, "/p1/companies", body, "k").expect(t, "created")
		if first.expect(t, "created").id(t) != again.id(t) || !replayed(again) {
			t.Errorf("got %s, and then %s", first.text, again.text)
		}
	})
}

// TestOutcomeUnknown: what a dead process had begun is not begun again.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dying := func(c *Config) {
			c.TestWebhook = func(context.Context, string) error { panic("killed") }
			c.Store = forgetful{db}
		}
		n := newGateway(t, db, dying).tenant(t)
		const body = "name=x&webhook_url=http://127.0.0.1:1"
		n.keyed(t, "/p1/companies", body, "k").expect(t, "500")
		if got := n.keyed(t, "/p1/companies", body, "k").expect(t, "409 outcome unknown"); got.header.Get("Retry-After") != "" {
			t.Error("a client that comes again would be told the same")
		}
		n.gateway = newGateway(t, db)
		n.keyed(t, "/p1/companies", body, "k").expect(t, "409 outcome unknown")
		n.keyed(t, "/p1/companies", "name=y", "k").expect(t, "400 Idempotency-Key")
		n.keyed(t, "/p1/companies", "name=x", "K").expect(t, "created")
	})
}

// A forgetful store loses the word that a request has ended, as a dead process
// does.
type forgetful struct{ *store.DB }

func (forgetful) ForgetRequest(context.Context, parley.UserID, []byte) error { return nil }

// TestNotKept: an answer that says to come again is not kept.
func TestNotKept(t *testing.T) {
	t.Parallel()
	down := true
	db := openSQLite(t)
	n := newGateway(t, db, func(c *Config) {
		c.TestWebhook = func(context.Context, string) error {
			if down {
				return parley.Errorf(parley.KindInternal, "broken")
			}
			return nil
		}
	}).tenant(t)
	const body = "name=x&webhook_url=http://a.test"
	n.keyed(t, "/p1/companies", body, "k").expect(t, "500")
	down = false
	if got := n.keyed(t, "/p1/companies", body, "k").expect(t, "created"); replayed(got) {
		t.Error("an answer 500 was kept")
	}
	if diff := cmp.Diff(2, len(n.get(t, "/p1/companies").rows(t, "companies", "external_id"))); diff != "" {
		t.Errorf("companies (-want +got):\n%s", diff)
	}
}
