package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

const webhooksPath = "/p1/companies/{C}/webhooks"

// webhookID notes the webhook's id under a name.
func (n *tenant) webhookID(tb testing.TB, name string, r reply) {
	tb.Helper()
	id, _ := r.at("data", "id").(float64)
	if id < 1 {
		tb.Fatalf("no id in %s", r.text)
	}
	n.ids[name] = int64(id)
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).tenant(t)
		url, bodies := receiver(t, http.StatusOK)
		main := n.get(t, webhooksPath).expect(t, "ok").at("data", "webhooks").([]any)[0].(map[string]any)
		if main["main"] != true || main["url"] != nil || fmt.Sprint(main["event_types"]) != "[]" {
			t.Errorf("the main one: %v", main)
		}
		got := n.post(t, webhooksPath, `{"url":"`+url+`","event_types":["job/executed"," Message/new","job/executed"]}`).expect(t, "created")
		if len(bodies()) != 1 || !strings.Contains(bodies()[0], `"operation":"test"`) {
			t.Errorf("tests of the address: %q", bodies())
		}
		n.webhookID(t, "EP", got)
		data := got.at("data").(map[string]any)
		at, err := time.Parse(time.RFC3339, fmt.Sprint(data["created_at"]))
		want := map[string]any{"id": float64(n.ids["EP"]), "url": url, "event_types": []any{"message/new", "job/executed"}, "main": false,
			"created_at": data["created_at"], "created_at_timestamp": float64(at.Unix())}
		if diff := cmp.Diff(want, data); diff != "" || err != nil {
			t.Errorf("%v, created:\n%s", err, diff)
		}
		if diff := cmp.Diff(want, n.get(t, webhooksPath+"/{EP}").expect(t, "ok").at("data")); diff != "" {
			t.Errorf("shown:\n%s", diff)
		}
		want["event_types"] = []any{}
		if diff := cmp.Diff(want, n.put(t, webhooksPath+"/{EP}", "event_types=").expect(t, "updated").at("data")); diff != "" {
			t.Errorf("cleared:\n%s", diff)
		}
		want["event_types"], want["url"] = []any{"system"}, url+"/other"
		if diff := cmp.Diff(want, n.put(t, webhooksPath+"/{EP}", "event_types[]=system&url="+url+"/other").expect(t, "updated").at("data")); diff != "" {
			t.Errorf("updated:\n%s", diff)
		}
		n.webhookID(t, "SECOND", n.post(t, webhooksPath, "url="+url).expect(t, "created"))
		page := n.get(t, webhooksPath+"?per=2").expect(t, "ok")
		rest := n.get(t, webhooksPath+"?per=2&from="+page.at("data", "next_page").(string)).expect(t, "ok")
		ids := append(page.rows(t, "webhooks", "id"), rest.rows(t, "webhooks", "id")...)
		if diff := cmp.Diff([]any{main["id"], float64(n.ids["EP"]), float64(n.ids["SECOND"])}, ids); diff != "" || rest.at("data", "next_page") != nil {
			t.Errorf("listed:\n%s", diff)
		}
		if got := n.do(t, request{line: "DELETE " + webhooksPath + "/{EP}"}).expect(t, "deleted"); got.text != `{"status":"deleted"}` {
			t.Errorf("got %s", got.text)
		}
		n.get(t, webhooksPath+"/{EP}").expect(t, "404 Endpoint")
	})
}

// TestWebhookRefusals: what is not taken, and why.
func TestWebhookRefusals(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).tenant(t)
		good, bodies := receiver(t, http.StatusOK)
		bad, _ := receiver(t, http.StatusNoContent)
		main := n.get(t, webhooksPath).at("data", "webhooks").([]any)[0].(map[string]any)
		n.ids["MAIN"] = int64(main["id"].(float64))
		n.webhookID(t, "EP", n.post(t, webhooksPath, "url="+good).expect(t, "created"))
		tests := len(bodies())
		other := n.gateway.tenant(t)
		other.ids["EP"] = n.ids["EP"]
		for _, y := range []try{
			on("POST "+webhooksPath, "", "400 url required"), on("POST "+webhooksPath, "url=ftp://x", "400 url"), on("POST "+webhooksPath, "url="+bad, "400 url 204"),
			on("POST "+webhooksPath, "url="+good+"&event_types[]=message/nwe", "400 event_types message/nwe"),
			on("POST "+webhooksPath, "url="+good+"&event_types[]=message/delete", "400 event_types message/delete extended_events"),
			on("POST "+webhooksPath, "url=x&event_types[]=y", "400 url event_types"),
			on("PUT "+webhooksPath+"/{EP}", "", "400 url event_types"), on("PUT "+webhooksPath+"/{EP}", "url=", "400 url"), on("PUT "+webhooksPath+"/{EP}", "url="+bad, "400 url 204"),
			on("PUT "+webhooksPath+"/{MAIN}", "url="+good, "400 url webhook_url"), on("DELETE "+webhooksPath+"/{MAIN}", "", "400 webhook_url"),
			on("PUT "+webhooksPath+"/999999999", "url="+good, "404 Endpoint"), on("PUT "+webhooksPath+"/999999999", "event_types=", "404 Endpoint"),
			on("DELETE "+webhooksPath+"/999999999", "", "404 Endpoint"),
			on("POST /p1/companies/{C}/dead_letters/replay", "endpoint_id=999999999", "404 Endpoint"),
		} {
			n.do(t, y.request).expect(t, y.want)
		}
		if got := len(bodies()); got != tests {
			t.Errorf("%d tests of a good address in requests that are refused", got-tests)
		}
		for _, line := range []string{"GET {P}", "PUT {P}", "DELETE {P}", "GET {P}/secret", "POST {P}/secret"} {
			other.do(t, request{line: strings.ReplaceAll(line, "{P}", webhooksPath+"/{EP}"), body: "event_types="}).expect(t, "404 Endpoint")
		}
		n.put(t, webhooksPath+"/{MAIN}", "event_types[]=message/new").expect(t, "updated")
		n.put(t, "/p1/companies/{C}", "extended_events=true").expect(t, "updated")
		n.put(t, webhooksPath+"/{EP}", "event_types[]=message/delete").expect(t, "updated")
		for range store.MaxEndpoints - 2 {
			n.post(t, webhooksPath, "url="+good).expect(t, "created")
		}
		n.post(t, webhooksPath, "url="+good).expect(t, "400 10")
	})
}

func TestWebhookSecrets(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).tenant(t)
		url, _ := receiver(t, http.StatusOK)
		n.webhookID(t, "EP", n.post(t, webhooksPath, "url="+url).expect(t, "created"))
		path := webhooksPath + "/{EP}/secret"
		main := n.get(t, "/p1/companies/{C}/webhook_secret").at("data", "secret")
		first := n.get(t, path).expect(t, "ok").at("data", "secret")
		second := n.post(t, path, "").expect(t, "ok").at("data", "secret")
		if !strings.HasPrefix(fmt.Sprint(first), "whsec_") || second == first || n.get(t, path).at("data", "secret") != second || first == main {
			t.Errorf("got %v, then %v", first, second)
		}
		if n.get(t, "/p1/companies/{C}/webhook_secret").at("data", "secret") != main {
			t.Error("the main one's secret changed as well")
		}
		if text := n.log.String(); strings.Contains(text, fmt.Sprint(second)) || strings.Contains(text, url) {
			t.Error("the log has a secret or an address")
		}
	})
}

// TestLettersOfTwo pages through letters of the same events, and replays one
// endpoint's.
func TestLettersOfTwo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).tenant(t)
		url, _ := receiver(t, http.StatusOK)
		n.webhookID(t, "EP", n.post(t, webhooksPath, "url="+url).expect(t, "created"))
		main, err := db.MainEndpoint(context.Background(), n.company)
		if err != nil {
			t.Fatal(err)
		}
		grant, _ := n.grants(t).Grant(n.company)
		for seq := range int64(3) {
			for _, id := range []parley.EndpointID{main.ID, parley.EndpointID(n.ids["EP"])} {
				d := &store.Delivery{Endpoint: id, Company: n.company, Grant: grant, Park: &parley.DeadLetter{Seq: seq + 1, Kind: parley.EventMessageNew, Reason: "refused", Attempts: 1}}
				if err := db.Deliver(context.Background(), d); err != nil {
					t.Fatal(err)
				}
			}
		}
		var got []string
		path := "/p1/companies/{C}/dead_letters"
		for next := path + "?per=1"; next != ""; {
			page := n.get(t, next).expect(t, "ok")
			got = append(got, fmt.Sprint(page.rows(t, "dead_letters", "event_id"), page.rows(t, "dead_letters", "endpoint_id")))
			token, _ := page.at("data", "next_page").(string)
			if next = ""; token != "" {
				next = path + "?per=1&from=" + token
			}
		}
		var want []string
		for seq := range 3 {
			want = append(want, fmt.Sprintf("[%d] [%d]", seq+1, main.ID), fmt.Sprintf("[%d] [%d]", seq+1, n.ids["EP"]))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got := n.post(t, path+"/replay", "endpoint_id={EP}&event_ids[]=1&event_ids[]=3").expect(t, "ok").at("data", "replayed"); got != 2.0 {
			t.Errorf("replayed %v of one endpoint, want 2", got)
		}
	})
}
