package api

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

func TestFirstMessage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		const path = channelsPath + "/{WA}/conversations"
		got := n.post(t, path, "phone=%2B7 (925) 000-00-02&message=hi&text=no").expect(t, "ok")
		if got.at("data", "conversation_id") != nil || got.at("data", "state") != "trying_deliver" || got.at("data", "channel", "type") != "whatsapp" {
			t.Errorf("got %s", got.text)
		}
		known := n.post(t, path, "phone=79250000001&text=hi").expect(t, "ok")
		if known.at("data", "conversation_id") != float64(n.ids["CV"]) {
			t.Errorf("to a known contact: got %s", known.text)
		}
		work := n.open(t, "WA")
		if len(work) != 2 || work[0].Chat != "79250000002" || work[0].Message.Text != "hi" || work[0].Job.Lane != parley.LaneFirst || work[1].Job.Lane != parley.LaneReply {
			t.Errorf("got jobs %+v", work)
		}
	})
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		const path, head = channelsPath + "/{WB}/conversations", "phone=79250000001&template[id]=7&template[language_code]=ru"
		n.post(t, path, head+"&template[parameters][]=имя&template[parameters][]=x").expect(t, "ok")
		n.post(t, path, head).expect(t, "ok")
		n.post(t, path, `{"phone":"79250000001","template":{"id":7,"language_code":"ru","parameters":{"2":"b","10":"c","1":"a"}}}`).expect(t, "ok")
		got := []*parley.Template{}
		for _, w := range n.open(t, "WB") {
			got = append(got, w.Message.Template)
		}
		want := []*parley.Template{{ID: "7", Language: "ru", Parameters: []string{"имя", "x"}}, {ID: "7", Language: "ru"}, {ID: "7", Language: "ru", Parameters: []string{"a", "b", "c"}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("templates (-want +got):\n%s", diff)
		}
		n.post(t, path, "phone=79250000001&message=hi").expect(t, "400 template")
		n.post(t, path, "phone=x&template[id]=7").expect(t, "400 phone template.language_code")
		n.post(t, path, "phone=79250000001&template=x").expect(t, "400 template")
		n.post(t, path, `{"phone":"79250000001","template":{"id":"7","language_code":"ru","parameters":[["x"]]}}`).expect(t, "400 template.parameters")
	})
}

func TestServiceMessage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		const path = "/p1/companies/{C}/service_messages"
		got := n.post(t, path, "phone=79250000001&short_text=s&long_text=long").expect(t, "ok")
		n.post(t, path, `{"phone":"79250000001","short_message":"s","long_message":"long"}`).expect(t, "ok")
		work := n.open(t, "WA")
		if len(work) != 2 || work[0].Message.Text != "long" || !work[0].Message.Service || got.text != n.fill(`{"status":"ok","data":{"id":`+fmt.Sprint(work[0].Job.ID)+`,"company_id":{C}}}`) {
			t.Errorf("got %s and jobs %+v", got.text, work)
		}
		n.post(t, path, "").expect(t, "400 phone short_text long_text")
		n.do(t, request{line: "DELETE " + channelsPath + "/{WA}"}).expect(t, "deleted")
		n.post(t, path, "phone=79250000001&short_text=s&long_text=long").expect(t, "400 whatsapp")
	})
}
