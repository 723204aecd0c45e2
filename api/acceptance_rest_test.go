package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const postService = "POST /p1/companies/{C}/service_messages"

// restScenes are the cases of templates and of service messages.
func restScenes() []scene {
	return []scene{
		{number: "131", empty: true, play: noTemplates},
		{number: "133", play: func(t *testing.T, n *tenant) {
			n.service(t, "phone=79250000001&short_text=Short&long_text=Long one", "Long one")
			n.service(t, `{"phone":"79250000001","short_message":"Short","long_message":"Long two"}`, "Long two")
			n.service(t, "phone=79250000010&short_text=Short&long_text=To a stranger", "To a stranger")
			for _, y := range []try{
				on(postService, "short_text=S&long_text=L", "400 phone"), on(postService, "phone=12&short_text=S&long_text=L", "400 phone"),
				on(postService, "phone=79250000001&long_text=L", "400 short_text"), on(postService, "phone=79250000001&short_text=S", "400 long_text"),
				on(postService, "", "400 phone short_text long_text"), on(postService, "phone=79250000001&short_text=S&long_text=L", "ok"),
			} {
				n.do(t, y.request).expect(t, y.want)
			}
		}},
	}
}

func noTemplates(t *testing.T, n *tenant) {
	const none = `{"status":"ok","data":{"waba_templates":[],"next_page":null}}`
	for _, path := range []string{"/p1/companies/{C}/waba_templates", "/p1/companies/waba_templates", "/p1//companies/waba_templates", "/p1/companies/waba_templates/?per=1"} {
		if diff := cmp.Diff(none, n.get(t, path).expect(t, "ok").text); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	n.get(t, "/p1/companies/{C}/waba_templates?per=0").expect(t, "400 per")
	n.get(t, "/p1/companies/waba_templates?sort_direction=up").expect(t, "400 sort_direction")
}

// service sends a service message, whose long text goes out by WA.
func (n *tenant) service(t *testing.T, body, text string) {
	t.Helper()
	before := len(n.open(t, "WA"))
	got := n.do(t, request{line: postService, body: body}).expect(t, "ok")
	want := n.fill(`{"status":"ok","data":{"id":N,"company_id":{C}}}`)
	if diff := cmp.Diff(want, anyNumber(want, got.text)); diff != "" {
		t.Error(diff)
	}
	work := n.open(t, "WA")
	if len(work) != before+1 {
		t.Fatalf("%d new jobs, want 1", len(work)-before)
	}
	if m := work[before].Message; m.Text != text || !m.Service {
		t.Errorf("got message %+v, want %q", m, text)
	}
}
