package api

import (
	"context"
	"strings"
	"testing"

	"github.com/parley-im/parley"
)

const (
	noToken  = "X-Private-Api-Token: -"
	badToken = "X-Private-Api-Token: wrong"
	asJSON   = "Content-Type: application/json"
	asForm   = "Content-Type: application/x-www-form-urlencoded"
)

func transportScenes() []scene {
	return []scene{
		{number: "001", tries: []try{on("GET /p1/companies", "", "401 No token provided").with(noToken)}},
		{number: "002", tries: []try{on("GET /p1/companies", "", "401 Invalid API token").with(badToken)}},
		{number: "003", tries: []try{on("GET /p1/companies?private_api_token={T}", "", "ok").with(noToken)}},
		{number: "004", tries: []try{on("GET /p1/companies?private_api_token={T}", "", "401").with(badToken)}},
		{number: "005", tries: []try{
			on("POST /p1/companies", `{"private_api_token":"{T}","name":"x"}`, "created").with(noToken),
			on("POST /p1/companies", "private_api_token={T}&name=x", "created").with(noToken),
			on("POST /p1/companies", `{"private_api_token":"x","name":"x"}`, "401 Invalid").with(noToken),
			on("POST /p1/companies", `{"name":`, "401 No token").with(noToken),
		}},
		{number: "006", tries: []try{on("GET /p1//companies", "", "ok"), on("GET //p1/companies//{C}", "", "ok")}},
		{number: "007", tries: []try{on("GET /p1/companies/", "", "ok"), on("GET /p1/companies/{C}/channels//", "", "ok")}},
		{number: "008", tries: []try{on("POST /p1//companies/", "name=x", "created")}},
		{number: "009", tries: []try{
			on("GET /p1/nothing", "", "404"), on("GET /p1", "", "404"), on("GET /p1/", "", "404"), on("GET /p1/companies/{C}/channels/{TG}/jobs", "", "404"),
			on("GET /p1/nothing", "", "404").with(noToken), on("GET /p1x/companies", "", "404"), on("GET /p1/companies%2F{C}", "", "404"),
		}},
		{number: "010", play: notAllowed},
		{number: "011", tries: []try{
			on("GET /p1/companies", "", "406").with("Accept: application/xml"),
			on("GET /p1/companies", "", "406").with("Accept: application/json;q=0"),
			on("GET /p1/companies", "", "406").with("Accept: text/html, text/*\n" + badToken),
			on("GET /p1/nothing", "", "404").with("Accept: application/xml"),
		}},
		{number: "012", tries: []try{
			on("GET /p1/companies", "", "ok").with("Accept: text/html,*/*;q=0.8"),
			on("GET /p1/companies", "", "ok").with("Accept: application/*"),
			on("GET /p1/companies", "", "ok").with("Accept: Application/JSON; charset=utf-8"),
			on("GET /p1/companies", "", "ok").with("Accept: text/html, image/gif, *; q=.2"),
		}},
		{number: "013", tries: []try{on("GET /p1/companies", "", "ok").with(asJSON)}},
		{number: "014", tries: []try{on("PUT /p1/companies/{C}/conversations/{CV}/assign", "assignee_id=42", "ok").with(asJSON)}},
		{number: "015", tries: []try{on("POST /p1/companies/{C}/conversations/{CV}/messages", `{"message":"hi"}`, "ok").with(asForm)}},
		{number: "016", tries: []try{
			on("POST /p1/companies", `{"name":`, "400 JSON").with(asJSON), on("POST /p1/companies", `{"name":"x"}`, "created").with(asJSON),
		}},
		{number: "017", tries: []try{
			on("POST /p1/companies", `[1]`, "400 JSON object").with(asJSON), on("POST /p1/companies", `[{"name":"x"}]`, "400 JSON object").with(asJSON),
			on("POST /p1/companies", `{"name":"x"}`, "created").with(asJSON),
		}},
		{number: "018", play: foreign},
		{number: "019", tries: []try{
			on("GET /p1/companies/abc/channels", "", "404"), on("GET /p1/companies/0/channels", "", "404"), on("GET /p1/companies/-1/channels", "", "404"),
			on("GET /p1/companies/+{C}/channels", "", "404"), on("GET /p1/companies/9223372036854775808/channels", "", "404"),
			on("GET /p1/companies/1.0/channels", "", "404"), on("GET /p1/companies/{C}/channels", "", "ok"),
		}},
		{number: "021", play: paywalled},
	}
}

func notAllowed(t *testing.T, n *tenant) {
	for line, allow := range map[string]string{
		"DELETE /p1/companies":                                       "GET, HEAD, POST",
		"PATCH /p1//companies/{C}/":                                  "GET, HEAD, PUT",
		"POST /p1/companies/{C}/conversations/{CV}/note":             "PUT",
		"OPTIONS /p1/companies/{C}/conversations/{CV}/message":       "POST",
		"PUT /p1/companies/{C}/channels/{TG}/jobs/1":                 "GET, HEAD",
		"POST /avatars/original/missing.png":                         "GET, HEAD",
		"GET /p1/companies/999999999999/dead_letters/replay":         "POST",
		"DELETE /p1/companies/{C}/conversations/{CV}/messages":       "GET, HEAD, POST",
		"PROPFIND /p1/companies/{C}/channels/{TG}":                   "DELETE, GET, HEAD, POST, PUT",
		"DELETE /p1/companies/{C}/webhook_secret?private_api_token=": "GET, HEAD, POST",
	} {
		got := n.do(t, request{line: line}).expect(t, "405 Method")
		if got.header.Get("Allow") != allow {
			t.Errorf("%s: Allow is %q, want %q", line, got.header.Get("Allow"), allow)
		}
	}
	head := n.do(t, request{line: "HEAD /p1/companies"})
	if head.code != 200 || head.text != "" {
		t.Errorf("HEAD: got %d %q", head.code, head.text)
	}
}

// foreign tries every endpoint below a company as somebody else.
func foreign(t *testing.T, n *tenant) {
	other := n.tenant(t)
	n.token = other.token
	for _, e := range n.server.endpoints() {
		if !strings.HasPrefix(e.pattern, "companies/C") {
			continue
		}
		path := idPattern(e.pattern)
		n.do(t, request{line: e.method + " " + path, body: "name=x"}).expect(t, "404 Company not found")
		n.do(t, request{line: e.method + " " + path, header: noToken}).expect(t, "401")
	}
}

// idPattern turns a pattern into a path of the tenant's ids.
func idPattern(pattern string) string {
	names := map[string]string{"C": "{C}", "CH": "{TG}", "CV": "{CV}", "ID": "1", "EP": "1", "M": "1"}
	path := "/p1"
	for rest := pattern; ; {
		segment, more, ok := next(rest)
		if !ok {
			return path
		}
		if id, known := names[segment]; known {
			segment = id
		}
		path, rest = path+"/"+segment, more
	}
}

func paywalled(t *testing.T, n *tenant) {
	yes, no := true, false
	set := func(on *bool) {
		if err := n.db.UpdateCompany(context.Background(), n.company, parley.CompanyChange{Paywall: on}); err != nil {
			t.Fatal(err)
		}
	}
	set(&yes)
	n.get(t, "/p1/companies/{C}/channels").expect(t, "402 Payment")
	n.get(t, "/p1/companies/{C}/channels/999").expect(t, "402")
	n.post(t, "/p1/companies/{C}/conversations/{CV}/messages", "").expect(t, "402")
	n.get(t, "/p1/companies").expect(t, "ok")
	n.get(t, "/p1/companies/{C}").expect(t, "ok")
	set(&no)
	n.get(t, "/p1/companies/{C}/channels").expect(t, "ok")
}
