package apitest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-im/parley/api"
	"github.com/parley-im/parley/api/apitest"
)

func document(t *testing.T) *apitest.Document {
	t.Helper()
	d, err := apitest.New(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// judge compares an error with the words that it must have; no words are no error.
func judge(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v, want no error", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want %q", err, want)
	}
}

var jsonHeader = http.Header{"Content-Type": {"application/json; charset=utf-8"}}

// TestAnswer: what is noticed of an answer.
func TestAnswer(t *testing.T) {
	t.Parallel()
	d := document(t)
	const (
		company = `{"external_id":1,"name":"Ann","phone":null,"description":null,"webhook_url":null}`
		failed  = `{"status":"errored","errors":["x"],"code":"`
		list    = "/p1/companies"
	)
	page := func(row, token string) string {
		return `{"status":"ok","data":{"companies":[` + row + `],"next_page":` + token + `}}`
	}
	for _, tt := range []struct {
		name, line string
		status     int
		body, want string
	}{
		{"right", "GET " + list, 200, page(company, "null"), ""},
		{"right under another spelling", "GET //p1///companies/", 200, page("", `"abc"`), ""},
		{"HEAD", "HEAD " + list, 200, "", ""},
		{"an extra key", "GET " + list, 200, page(strings.Replace(company, `"name"`, `"nick":"A","name"`, 1), "null"), "additional properties 'nick'"},
		{"an extra key outside", "GET " + list, 200, `{"status":"ok","data":{"companies":[],"next_page":null},"more":1}`, "additional properties 'more'"},
		{"a missing key", "GET " + list, 200, page(strings.Replace(company, `"phone":null,`, "", 1), "null"), "missing property 'phone'"},
		{"next_page is missing", "GET " + list, 200, `{"status":"ok","data":{"companies":[]}}`, "missing property 'next_page'"},
		{"a wrong type", "GET " + list, 200, page(strings.Replace(company, `:1,`, `:"1",`, 1), "null"), "got string, want integer"},
		{"a null that may not be", "GET " + list, 200, page(strings.Replace(company, `"Ann"`, `null`, 1), "null"), "got null, want string"},
		{"neither type of two", "GET " + list, 200, page(company, "1"), "got number, want"},
		{"out of bounds", "GET " + list, 200, page(strings.Replace(company, `:1,`, `:0,`, 1), "null"), "minimum: got 0, want 1"},
		{"another word", "GET " + list, 200, strings.Replace(page("", "null"), `"ok"`, `"fine"`, 1), "value must be 'ok'"},
		{"a format", "GET " + list, 200, page(strings.Replace(company, `"webhook_url":null`, `"webhook_url":"http://a b"`, 1), "null"), "is not valid uri"},
		{"no JSON", "GET " + list, 200, "x", "no JSON"},
		{"a status that is not there", "GET " + list, 403, failed + `forbidden"}`, "which the document does not have"},
		{"an error", "GET " + list, 401, failed + `unauthorized"}`, ""},
		{"an error with the code of another", "GET " + list, 401, failed + `forbidden"}`, "value must be 'unauthorized'"},
		{"an error without errors", "GET " + list, 401, `{"status":"errored","errors":[],"code":"unauthorized"}`, "minItems"},
		{"an error with more", "GET " + list, 401, `{"status":"errored","errors":["x"],"code":"unauthorized","trace":1}`, "additional properties 'trace'"},
		{"an unknown path", "GET /p1/nothing", 404, failed + `not_found"}`, ""},
		{"an unknown path that is served", "GET /p1/nothing", 200, "{}", "not in the document"},
		{"an id that is none", "GET /p1/companies/x", 404, failed + `not_found"}`, ""},
		{"fixed before id", "GET /p1/companies/waba_templates", 200, `{"status":"ok","data":{"waba_templates":[],"next_page":null}}`, ""},
		{"another method that is served", "DELETE " + list, 200, "{}", "not in the document"},
		{"another method without Allow", "DELETE " + list, 405, failed + `method_not_allowed"}`, "no header Allow"},
		{"too early without Retry-After", "GET " + list, 503, failed + `unavailable"}`, "no header Retry-After"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tt.line, " ")
			judge(t, d.Answer(apitest.Answer{Method: method, Path: path, Status: tt.status, Header: jsonHeader, Body: []byte(tt.body)}), tt.want)
		})
	}
}

// TestAnswerHeaders: the type and the values of headers.
func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	d := document(t)
	busy := `{"status":"errored","errors":["x"],"code":"unavailable"}`
	for _, tt := range []struct{ name, kind, retry, want string }{
		{"right", "application/json", "2", ""},
		{"no number", "application/json", "soon", `header Retry-After is "soon"`},
		{"another type", "text/html", "2", "no answer of type"},
		{"no type", "", "2", "no answer of type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"Content-Type": {tt.kind}, "Retry-After": {tt.retry}}
			judge(t, d.Answer(apitest.Answer{Method: "GET", Path: "/p1/companies", Status: 503, Header: h, Body: []byte(busy)}), tt.want)
		})
	}
}

// TestRequest: what is noticed of parameters, and which spellings count as what
// they mean.
func TestRequest(t *testing.T) {
	t.Parallel()
	d := document(t)
	for _, tt := range []struct{ line, values, want string }{
		{"POST /p1/companies", `{"name":"A"}`, ""},
		{"POST /p1/companies", `{"name":5,"hidden":"Yes","extended_events":0}`, ""},
		{"POST /p1/companies", `{"name":"A","webhook_url":""}`, ""},
		{"POST /p1/companies", `{"name":"A","description":null}`, ""},
		{"POST /p1/companies", `{}`, "missing property 'name'"},
		{"POST /p1/companies", `{"name":" "}`, "missing property 'name'"},
		{"POST /p1/companies", `{"name":"A","nick":"B"}`, "additional properties 'nick'"},
		{"POST /p1/companies", `{"name":"A","stray":"B"}`, ""},
		{"POST /p1/companies", `{"name":["A",{}]}`, "name"},
		{"POST /p1/companies", `{"name":"A","hidden":"maybe"}`, "got string, want boolean"},
		{"PUT /p1/companies/7", `{"private_api_token":"x"}`, "anyOf"},
		{"GET /p1/companies", `{"per":"7","sort":"DESC","from_":""}`, ""},
		{"GET /p1/companies", `{"per":"101"}`, "parameter per"},
		{"GET /p1/companies", `{"page":"2"}`, "not described"},
		{"GET /p1/companies/7/channels/8/user_exists", `{}`, "no parameter phone"},
		{"POST /p1/companies/7/channels", `{"provider":"Telegram","token":"T"}`, ""},
		{"POST /p1/companies/7/channels", `{"provider":"telegram"}`, "missing property 'token'"},
		{"POST /p1/companies/7/channels", `{"provider":"instagram_business","token":"T","phone":"+7 925 000 00 01","data":"{\"id\":\"1\"}"}`, ""},
		{"POST /p1/companies/7/channels", `{"provider":"fax"}`, "provider"},
		{"POST /p1/companies/7/conversations/9/messages", `{"attachments_ids":{"0":"5","1":"6"}}`, ""},
		{"POST /p1/companies/7/conversations/9/messages", `{"attachments_ids":"5"}`, ""},
		{"POST /p1/companies/7/conversations/9/messages", `{"attachments_ids":["x"]}`, "attachments_ids"},
		{"POST /p1/companies/7/conversations/9/messages", `{"message":"","attachments_ids":[]}`, "anyOf"},
		{"POST /p1/companies/7/conversations/9/messages/attachments", `{"file":"a.png"}`, ""},
		{"POST /p1/companies/7/conversations/9/messages/attachments", `{"file":"a.png","file_url":"https://x/y"}`, "oneOf"},
		{"PUT /p1/companies/7/conversations/9/note", `{"note":""}`, ""},
		{"PUT /p1/companies/7/conversations/9/assign", `{}`, ""},
		{"GET /p1/nothing", `{}`, "not in the document"},
		{"DELETE /p1/companies/7/channels/8", `{"x":"1"}`, "not described"},
	} {
		t.Run(tt.line+" "+tt.values, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tt.line, " ")
			decoder := json.NewDecoder(strings.NewReader(tt.values))
			decoder.UseNumber()
			var values map[string]any
			if err := decoder.Decode(&values); err != nil {
				t.Fatal(err)
			}
			judge(t, d.Request(apitest.Request{Method: method, Path: path, Parameters: values, Ignored: []string{"stray"}}), tt.want)
		})
	}
}

// TestWebhook: what is noticed of a webhook.
func TestWebhook(t *testing.T) {
	t.Parallel()
	d := document(t)
	const (
		ack    = `{"type":"message","event":"ack","data":{"external_id":1,"channel":{"id":1,"type":"whatsapp"},"conversation_id":1,"ack":3}}`
		system = `{"type":"system","severity":"critical","data":{"message":"phone offline","date":"2017-11-11 12:45:53 UTC","date_timestamp":1,"timestamp":1,"details":{"entity":"channel","entity_id":1}}}`
		job    = `{"type":"job","event":"executed","data":{"id":1,"result":"DELIVERED","message_id":1,"date":1}}`
	)
	for _, tt := range []struct{ name, body, want string }{
		{"right", ack, ""},
		{"an extra key", strings.Replace(ack, `"ack":3`, `"ack":3,"x":1`, 1), "additional properties 'x'"},
		{"an extra key within", strings.Replace(ack, `{"id":1,`, `{"id":1,"x":1,`, 1), "additional properties 'x'"},
		{"a missing key", strings.Replace(ack, `,"ack":3`, ``, 1), "missing property 'ack'"},
		{"a wrong type", strings.Replace(ack, `"ack":3`, `"ack":"3"`, 1), "ack"},
		{"out of bounds", strings.Replace(ack, `"ack":3`, `"ack":4`, 1), "ack"},
		{"an unknown kind", strings.Replace(ack, `"ack",`, `"nack",`, 1), "not in the document"},
		{"no JSON", "x", "no JSON"},
		{"system", system, ""},
		{"system with another time", strings.Replace(system, "2017-11-11 12:45:53 UTC", "2017-11-11T12:45:53Z", 1), "does not match pattern"},
		{"system without timestamp", strings.Replace(system, `"timestamp":1,`, "", 1), "missing property 'timestamp'"},
		{"disabled Instagram", strings.NewReplacer(`"timestamp":1,`, "", "phone offline", "IG was set DISABLED", "critical", "information").Replace(system), ""},
		{"disabled Instagram with timestamp", strings.NewReplacer("phone offline", "IG was set DISABLED", "critical", "information").Replace(system), "timestamp"},
		{"disabled Instagram that is critical", strings.NewReplacer(`"timestamp":1,`, "", "phone offline", "IG was set DISABLED").Replace(system), "severity"},
		{"job", job, ""},
		{"job that failed without a reason", strings.NewReplacer(`"DELIVERED"`, `"NOT DELIVERED"`, `"message_id":1`, `"message_id":null`).Replace(job), "missing property 'reason'"},
		{"test", `{"source":"pact.im","operation":"test"}`, ""},
		{"test with more", `{"source":"pact.im","operation":"test","x":1}`, "additional properties 'x'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			judge(t, d.Webhook([]byte(tt.body)), tt.want)
		})
	}
}

// TestNew: what is no document.
func TestNew(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[1]", "a: [", "x"} {
		if _, err := apitest.New([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	d, err := apitest.New([]byte("paths: {/p1/x: {get: {responses: {'200': {content: {application/json: {schema: {$ref: '#/nowhere'}}}}}}}}"))
	if err == nil {
		err = d.Answer(apitest.Answer{Method: "GET", Path: "/p1/x", Status: 200, Header: jsonHeader, Body: []byte("1")})
	}
	judge(t, err, "nowhere")
}

// TestExamples: an example that its schema does not allow is found.
func TestExamples(t *testing.T) {
	t.Parallel()
	d, err := apitest.New([]byte("a: [{type: integer, examples: [1, x]}]\nb/c: {type: strong, examples: [1]}\nd: {type: string, examples: [x]}"))
	if err != nil {
		t.Fatal(err)
	}
	got := d.Examples()
	if len(got) != 2 || !strings.HasPrefix(got[0].Error(), "/a/0: ") || !strings.HasPrefix(got[1].Error(), "/b~1c: ") {
		t.Errorf("got %v", got)
	}
}
