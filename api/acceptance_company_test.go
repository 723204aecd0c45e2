package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func companyScenes() []scene {
	return []scene{
		{number: "022", empty: true, play: func(t *testing.T, n *tenant) { n.post(t, "/p1/companies", "name=Test").expect(t, "created").id(t) }},
		{number: "023", empty: true, tries: []try{
			on("POST /p1/companies", "", "400 name"), on("POST /p1/companies", "phone=1", "400 name"), on("POST /p1/companies", "name=", "400 name"),
			on("POST /p1/companies", "name=%20", "400 name"), on("POST /p1/companies", `{"name":["x"]}`, "400 name"),
			on("POST /p1/companies", "name=x&phone=1", "created"),
		}},
		{number: "024", empty: true, tries: []try{
			on("POST /p1/companies", "name="+strings.Repeat("Ж", 255), "created"),
			on("POST /p1/companies", "name="+strings.Repeat("Ж", 256), "400 name 255"),
		}},
		{number: "025", empty: true, play: testedWebhook},
		{number: "026", empty: true, play: refusedWebhook},
		{number: "027", empty: true, tries: []try{
			on("POST /p1/companies", "name=x&webhook_url=ftp://x", "400 webhook_url"), on("POST /p1/companies", "name=x&webhook_url=abc", "400 webhook_url"),
			on("POST /p1/companies", "name=x&webhook_url=", "created"),
		}},
		{number: "028", empty: true, tries: []try{
			on("PUT /p1/companies/{C}", "hidden=maybe", "400 hidden"), on("PUT /p1/companies/{C}", "hidden=true", "updated"),
			on("PUT /p1/companies/{C}", "extended_events=maybe", "400 extended_events"), on("PUT /p1/companies/{C}", `{"extended_events":true}`, "updated"),
		}},
		{number: "029", empty: true, play: described},
		{number: "030", empty: true, tries: []try{
			on("PUT /p1/companies/{C}", "", "400 name webhook_url"), on("PUT /p1/companies/{C}", "nothing=1", "400 name"),
			on("PUT /p1/companies/{C}", "name=", "400 name"), on("PUT /p1/companies/{C}", "name=x", "updated"),
		}},
		{number: "031", empty: true, tries: []try{on("PUT /p1/companies/999999999", "name=x", "404 Company")}},
		{number: "032", empty: true, play: clearedWebhook},
	}
}

// receiver answers its requests with the code, and keeps their bodies.
func receiver(t *testing.T, code int) (url string, bodies func() []string) {
	var got journal
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_ = r.Write(&got)
			_, _ = got.Write([]byte("\x00"))
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
	}))
	t.Cleanup(web.Close)
	return web.URL, func() []string { return strings.Split(strings.TrimSuffix(got.String(), "\x00"), "\x00") }
}

func testedWebhook(t *testing.T, n *tenant) {
	url, bodies := receiver(t, http.StatusOK)
	id := n.post(t, "/p1/companies", "name=x&webhook_url="+url).expect(t, "created").id(t)
	if got := bodies(); len(got) != 1 || !strings.Contains(got[0], `{"source":"pact.im","operation":"test"}`) {
		t.Errorf("got tests %q", got)
	}
	n.ids["N"] = id
	got := n.get(t, "/p1/companies/{N}").expect(t, "ok")
	if got.at("data", "webhook_url") != url {
		t.Errorf("got %s", got.text)
	}
	n.put(t, "/p1/companies/{N}", "webhook_url="+url).expect(t, "updated")
	if got := bodies(); len(got) != 2 {
		t.Errorf("an unchanged address was tested %d times, want 2", len(got))
	}
}

func refusedWebhook(t *testing.T, n *tenant) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	urls := []string{dead.URL}
	for _, code := range []int{204, 302, 500} {
		url, _ := receiver(t, code)
		urls = append(urls, url)
	}
	before := n.get(t, "/p1/companies").text
	for _, url := range urls {
		n.post(t, "/p1/companies", "name=x&webhook_url="+url).expect(t, "400 webhook_url")
		n.put(t, "/p1/companies/{C}", "description=d&webhook_url="+url).expect(t, "400 webhook_url")
	}
	if diff := cmp.Diff(before, n.get(t, "/p1/companies").text); diff != "" {
		t.Error(diff)
	}
	url, _ := receiver(t, http.StatusOK)
	n.post(t, "/p1/companies", "name=x&webhook_url="+url).expect(t, "created")
	n.put(t, "/p1/companies/{C}", "description=d&webhook_url="+url).expect(t, "updated")
}

func described(t *testing.T, n *tenant) {
	n.put(t, "/p1/companies/{C}", `{"name":"Name","phone":"8 (800) 1"}`).expect(t, "updated")
	got := n.put(t, "/p1/companies/{C}", "description=x").expect(t, "updated")
	if got.id(t) != n.ids["C"] {
		t.Errorf("got %s", got.text)
	}
	want := n.fill(`{"status":"ok","data":{"companies":[{"external_id":{C},"name":"Name","phone":"8 (800) 1","description":"x","webhook_url":null}],"next_page":null}}`)
	if diff := cmp.Diff(want, n.get(t, "/p1/companies").text); diff != "" {
		t.Error(diff)
	}
	want = n.fill(`{"status":"ok","data":{"external_id":{C},"name":"Name","phone":"8 (800) 1","description":"x","webhook_url":null}}`)
	if diff := cmp.Diff(want, n.get(t, "/p1/companies/{C}").text); diff != "" {
		t.Error(diff)
	}
	n.put(t, "/p1/companies/{C}", "phone=").expect(t, "updated")
	if got := n.get(t, "/p1/companies/{C}"); got.at("data", "phone") != nil || got.at("data", "description") != "x" {
		t.Errorf("after clearing the phone: got %s", got.text)
	}
}

func clearedWebhook(t *testing.T, n *tenant) {
	for _, body := range []string{"webhook_url=", `{"webhook_url":null}`, `{"webhook_url":""}`} {
		url, _ := receiver(t, http.StatusOK)
		n.put(t, "/p1/companies/{C}", "webhook_url="+url).expect(t, "updated")
		if got := n.get(t, "/p1/companies").rows(t, "companies", "webhook_url"); !cmp.Equal(got, []any{url}) {
			t.Errorf("got %v, want %s", got, url)
		}
		n.put(t, "/p1/companies/{C}", body).expect(t, "updated")
		if got := n.get(t, "/p1/companies").rows(t, "companies", "webhook_url"); !cmp.Equal(got, []any{nil}) {
			t.Errorf("after %s: got %v, want null", body, got)
		}
	}
}
