package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
)

const (
	firstPath = channelsPath + "/{WA}/conversations"
	postFirst = "POST " + firstPath
	postTempl = "POST " + channelsPath + "/{WB}/conversations"
	stranger  = "79250000009" // whom no tenant knows
)

// firstScenes are the cases of first messages to strangers, and of the question
// whether somebody can be reached.
func firstScenes() []scene {
	return []scene{
		{number: "076", play: firstMessage},
		{number: "077", play: func(t *testing.T, n *tenant) {
			n.first(t, "WA", firstPath, "phone="+stranger+"&text=hi", "hi")
			n.first(t, "WA", firstPath, "phone=79250000011&text=no&message=yes", "yes")
			n.first(t, "WA", firstPath, "phone=79250000012&message=&text=hi", "hi")
		}},
		{number: "078", tries: []try{
			on(postFirst, "phone="+stranger, "400 message"), on(postFirst, "phone="+stranger+"&message=", "400 message"),
			on(postFirst, "phone="+stranger+"&message=%20%0A", "400 message"), on(postFirst, `{"phone":"79250000009","message":["hi"]}`, "400 message"),
			on(postFirst, "phone="+stranger+"&template[id]=t&template[language_code]=ru", "400 message"),
			on(postFirst, "phone="+stranger+"&template[id]=t&template[language_code]=ru&message=hi", "ok"),
			on(postFirst, "phone="+stranger+"&message="+strings.Repeat("Ж", parley.MaxText+1), "400 message 32768"),
			on(postFirst, "phone="+stranger+"&message="+strings.Repeat("Ж", parley.MaxText), "ok"),
		}},
		{number: "079", tries: []try{
			on(postFirst, "message=hi", "400 phone"), on(postFirst, "phone=abc&message=hi", "400 phone"), on(postFirst, "phone=123&message=hi", "400 phone"),
			on(postFirst, "phone=7925000000112345&message=hi", "400 phone"), on(postFirst, "phone=0925000001&message=hi", "400 phone"),
			on(postFirst, "", "400 phone message"), on(postFirst, "phone=792500000011234&message=hi", "ok"), on(postFirst, "phone=7999999999&message=hi", "ok"),
		}},
		{number: "080", play: func(t *testing.T, n *tenant) {
			n.first(t, "WA", firstPath, "phone=%2B7 (925) 000-00-09&message=hi", "hi")
			n.first(t, "WA", firstPath, `{"phone":79250000009,"message":"hi"}`, "hi")
		}},
		{number: "081", play: func(t *testing.T, n *tenant) {
			n.first(t, "WA", channelsPath+"/{WA}", `{"phone":"79250000009","message":"hi"}`, "hi")
			n.first(t, "WA", channelsPath+"/{WA}/", `{"phone": "79250000009", "message": "again"}`, "again")
			n.post(t, channelsPath+"/{WA}", `{"phone":"79250000009"}`).expect(t, "400 message")
		}},
		{number: "082", play: func(t *testing.T, n *tenant) {
			n.template(t, "phone="+stranger+"&template[id]=1_hello&template[language_code]=ru&template[parameters][]=имя", "имя")
			n.template(t, "phone="+stranger+"&template[id]=1_hello&template[language_code]=ru&template[parameters][0]=a&template[parameters][1]=b", "a", "b")
			n.template(t, `{"phone":"79250000009","template":{"id":"1_hello","language_code":"ru","parameters":["a",5]},"message":"ignored"}`, "a", "5")
		}},
		{number: "083", play: func(t *testing.T, n *tenant) {
			n.template(t, "phone="+stranger+"&template[id]=1_hello&template[language_code]=ru")
			n.template(t, `{"phone":"79250000009","template":{"id":"1_hello","language_code":"ru","parameters":[]}}`)
		}},
		{number: "084", play: func(t *testing.T, n *tenant) {
			n.template(t, `{"phone":"79250000009","template":{"id":"1_hello","language_code":"ru","parameters":{"2":"b","1":"a"}}}`, "a", "b")
			n.template(t, `{"phone":"79250000009","template":{"id":"1_hello","language_code":"ru","parameters":{"10":"c","2":"b","1":"a"}}}`, "a", "b", "c")
			n.template(t, `{"phone":"79250000009","template":{"id":"1_hello","language_code":"ru","parameters":{"n10":"c","n2":"b","n1":"a"}}}`, "a", "b", "c")
		}},
		{number: "085", tries: []try{
			on(postTempl, "phone="+stranger+"&template[language_code]=ru", "400 template.id"),
			on(postTempl, "phone="+stranger+"&template[id]=t", "400 template.language_code"),
			on(postTempl, "phone="+stranger+"&template[id]=t&template[language_code]=%20", "400 template.language_code"),
			on(postTempl, "phone="+stranger+"&template=x", "400 template"), on(postTempl, "phone="+stranger+"&message=hi", "400 template"),
			on(postTempl, `{"phone":"79250000009","template":{"id":"t","language_code":"ru","parameters":[["x"]]}}`, "400 template.parameters"),
			on(postTempl, "template[id]=t&template[language_code]=ru", "400 phone"),
			on(postTempl, "phone="+stranger+"&template[id]=t&template[language_code]=ru", "ok"),
		}},
		{number: "086", tries: []try{
			on("POST "+channelsPath+"/{TG}/conversations", "phone="+stranger+"&message=hi", "400"),
			on("POST "+channelsPath+"/{TG}", "phone="+stranger+"&message=hi", "400"),
			on("POST "+channelsPath+"/{TP}/conversations", "phone="+stranger+"&message=hi", "400"),
			on(postFirst, "phone="+stranger+"&message=hi", "ok"),
		}},
		{number: "088", play: refusedFinds},
	}
}

// first writes to a stranger, who stays one: the answer names no conversation.
func (n *tenant) first(t *testing.T, channel, path, body, text string) reply {
	t.Helper()
	before := len(n.open(t, channel))
	got := n.do(t, request{line: "POST " + path, body: body}).expect(t, "ok")
	want := fmt.Sprintf(jobShape, got.at("data", "id"), `"trying_deliver"`, "null", "null", "null")
	if channel == "WB" {
		want = strings.Replace(want, `{"id":{WA},"type":"whatsapp"}`, `{"id":{WB},"type":"whatsapp_business"}`, 1)
	}
	if diff := cmp.Diff(n.fill(want), still(got.text)); diff != "" {
		t.Error(diff)
	}
	work := n.open(t, channel)
	if len(work) != before+1 {
		t.Fatalf("%d new jobs, want 1", len(work)-before)
	}
	w := work[before]
	if float64(w.Job.ID) != got.at("data", "id") || w.Message.Text != text || !strings.HasPrefix(w.Chat, "792500000") {
		t.Errorf("got %+v to %s, want %q", w.Message, w.Chat, text)
	}
	return got
}

// template writes to a stranger by a template with these parameters.
func (n *tenant) template(t *testing.T, body string, parameters ...string) {
	t.Helper()
	before := len(n.open(t, "WB"))
	n.first(t, "WB", channelsPath+"/{WB}/conversations", body, "")
	got := n.open(t, "WB")[before].Message.Template
	want := &parley.Template{ID: "1_hello", Language: "ru", Parameters: parameters}
	if diff := cmp.Diff(want, got); diff != "" && (got == nil || len(parameters)+len(got.Parameters) > 0) {
		t.Error(diff)
	}
}

func firstMessage(t *testing.T, n *tenant) {
	n.first(t, "WA", firstPath, "phone="+stranger+"&message=hi", "hi")
	n.first(t, "WA", firstPath, "phone="+stranger+"&message=are you there?", "are you there?")
	if got := n.get(t, conversationsPath).rows(t, "conversations", "external_id"); !cmp.Equal(got, []any{float64(n.ids["CV"])}) {
		t.Errorf("the stranger is listed: %v", got)
	}
	known := n.post(t, firstPath, "phone=79250000001&message=hi").expect(t, "ok")
	if known.at("data", "conversation_id") != float64(n.ids["CV"]) {
		t.Errorf("got %s, want conversation %d", known.text, n.ids["CV"])
	}
	n.post(t, channelsPath+"/999999999/conversations", "phone="+stranger+"&message=hi").expect(t, "404 Channel")
}

func refusedFinds(t *testing.T, n *tenant) {
	const ask = channelsPath + "/{WA}/user_exists"
	for _, query := range []string{"", "?phone=", "?phone=abc", "?phone=123"} {
		bad := n.get(t, ask+query).expect(t, "400 phone")
		notSo(t, bad, n.get(t, ask+"?phone=79250000001"))
	}
	bad := n.get(t, channelsPath+"/{TG}/user_exists?phone=79250000001").expect(t, "400")
	notSo(t, bad, n.get(t, ask+"?phone=79250000001"))
}

// startScenes are the cases of conversations that clients open, and of buttons.
func startScenes() []scene {
	return []scene{
		{number: "106", play: started},
		{number: "107", play: startedAgain},
		{number: "108", play: func(t *testing.T, n *tenant) {
			n.post(t, conversationsPath, "provider=whatsapp").expect(t, "400 phone")
			n.post(t, conversationsPath, "provider=whatsapp&phone=12").expect(t, "400 phone")
			n.post(t, conversationsPath, "provider=whatsapp&phone=abc&text=hi").expect(t, "400 phone")
			n.gateway.tenant(t).post(t, conversationsPath, "provider=whatsapp&phone=79250000009").expect(t, "400 provider whatsapp")
			n.post(t, conversationsPath, "provider=whatsapp&phone=79250000009").expect(t, "ok")
		}},
		{number: "110", tries: []try{
			on(postConversation, "provider=telegram_personal&username=u&phone=79250000002&text=hi", "400 username phone"),
			on(postConversation, "provider=telegram_personal&text=hi", "400 phone username"), on(postConversation, "provider=telegram_personal&username=u", "400 text"),
			on(postConversation, "provider=telegram_personal&username=@&text=hi", "400 username"),
			on(postConversation, "provider=telegram_personal&username=u&text=hi&send_to_crm=maybe", "400 send_to_crm"),
			on(postConversation, "provider=telegram_personal&username=&phone=&text=hi", "400 phone username"),
			on(postConversation, "provider=telegram_personal&username=u&text=hi", "ok"),
		}},
		{number: "111", tries: []try{
			on(postConversation, "provider=whatsapp_business&phone=79250000001", "400 provider"), on(postConversation, "provider=telegram&phone=79250000001", "400 provider"),
			on(postConversation, "phone=79250000001", "400 provider"), on(postConversation, "provider=whatsapp&phone=79250000001", "ok"),
		}},
		{number: "121", play: buttons},
	}
}

// started opens conversations without a word and with one: the answer is whole
// and says nothing but who it is.
func started(t *testing.T, n *tenant) {
	for phone, more := range map[string]string{"79250000007": "&text=hi", "79250000008": ""} {
		got := n.post(t, conversationsPath, "provider=whatsapp&phone="+phone+more).expect(t, "ok")
		id := got.at("data", "conversation", "external_id")
		want := n.fill(`{"status":"ok","data":{"conversation":` + fmt.Sprintf(shape, id, phone, phone, "0", "0") + `}}`)
		if diff := cmp.Diff(want, still(got.text)); diff != "" {
			t.Error(diff)
		}
	}
	if work := n.open(t, "WA"); len(work) != 1 || work[0].Message.Text != "hi" || work[0].Chat != "79250000007" {
		t.Errorf("got jobs %+v", work)
	}
	known := n.post(t, conversationsPath, "provider=whatsapp&phone=%2B7 925 000-00-01").expect(t, "ok")
	want := n.fill(`{"status":"ok","data":{"conversation":` + fmt.Sprintf(shape, n.ids["CV"], "Ann", "79250000001", "UNIX", "UNIX") + `}}`)
	if diff := cmp.Diff(want, still(known.text)); diff != "" {
		t.Error(diff)
	}
}

func startedAgain(t *testing.T, n *tenant) {
	open := func(rest string) any {
		return n.post(t, conversationsPath, "provider=whatsapp&phone="+rest).expect(t, "ok").at("data", "conversation", "external_id")
	}
	first, again, written := open("79250000009"), open("79250000009"), open("79250000009&message=hi")
	if first != again || first != written {
		t.Errorf("got %v, %v and %v, want the same", first, again, written)
	}
	if known := open("79250000001&text=hi"); known != float64(n.ids["CV"]) {
		t.Errorf("got %v for the known contact %d", known, n.ids["CV"])
	}
	if other := open("79250000010"); other == first {
		t.Errorf("another contact has the same conversation %v", other)
	}
}

// TestStartPersonal: what opens a conversation of a personal account.
func TestStartPersonal(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).full(t)
	got := n.post(t, conversationsPath, "provider=telegram_personal&username=@u&text=hi").expect(t, "ok")
	if got.at("data", "conversation", "name") != "u" || len(n.open(t, "TP")) != 1 {
		t.Errorf("got %s", got.text)
	}
	n.post(t, conversationsPath, "provider=telegram_personal&nickname=u&message=hi&send_to_crm=0").expect(t, "ok")
	n.post(t, conversationsPath, "provider=telegram_personal&phone=79250000002&text=hi").expect(t, "ok")
	if work := n.open(t, "TP"); len(work) != 3 || work[0].Job.Conversation != work[1].Job.Conversation || work[1].Job.Conversation == work[2].Job.Conversation {
		t.Errorf("got jobs %+v", work)
	}
}

// buttons sends them where they can be sent, and tries all that they may not be.
func buttons(t *testing.T, n *tenant) {
	whatsapp := n.ids["CV"]
	n.ids["CV"] = int64(n.hear(t, n.whole(t, "WB"), "79250000003", "1", "Hello"))
	const two = `{"message":"x","interactive":{"type":"button","buttons":["fine","awesome"]}}`
	n.post(t, messagesPath, two).expect(t, "ok")
	n.post(t, messagesPath, "message=x&interactive[type]=button&interactive[buttons][]=fine&interactive[buttons][]=awesome").expect(t, "ok")
	n.wantButtons(t, "fine", "awesome")
	const head = `{"message":"x","interactive":`
	for body, want := range map[string]string{
		head + `{"type":"button","buttons":[]}}`:                                                   "400 interactive",
		head + `{"type":"button"}}`:                                                                "400 interactive",
		head + `{"type":"button","buttons":["a","b","c","d"]}}`:                                    "400 interactive",
		head + `{"type":"button","buttons":["a","b","c"]}}`:                                        "ok",
		head + `{"type":"button","buttons":["` + strings.Repeat("Ж", 21) + `"]}}`:                  "400 interactive 20",
		head + `{"type":"button","buttons":["` + strings.Repeat("Ж", 20) + `"]}}`:                  "ok",
		head + `{"type":"button","buttons":["fine"," "]}}`:                                         "400 interactive",
		head + `{"type":"button","buttons":"fine"}}`:                                               "ok",
		head + `{"type":"list","buttons":["fine","awesome"]}}`:                                     "400 interactive",
		head + `{"buttons":["fine","awesome"]}}`:                                                   "400 interactive",
		head + `"x"}`:                                                                              "400 interactive",
		head + `null}`:                                                                             "ok",
		`{"message":"","interactive":{"type":"button","buttons":["fine","awesome"]}}`:              "400 message",
		`{"message":"x","interactive":"{\"type\":\"button\",\"buttons\":[\"fine\",\"awesome\"]}"}`: "ok",
	} {
		t.Log(body)
		n.post(t, messagesPath, body).expect(t, want)
	}
	n.ids["CV"] = whatsapp
	n.post(t, messagesPath, two).expect(t, "400 interactive whatsapp_business")
	n.post(t, messagesPath, `{"message":"x"}`).expect(t, "ok")
}

// wantButtons wants every open job of WB to have these buttons.
func (n *tenant) wantButtons(t *testing.T, want ...string) {
	t.Helper()
	work := n.open(t, "WB")
	if len(work) != 2 {
		t.Fatalf("got %d jobs, want 2", len(work))
	}
	for _, w := range work {
		if diff := cmp.Diff(want, w.Message.Buttons); diff != "" || w.Message.Text != "x" {
			t.Errorf("%q with %s", w.Message.Text, diff)
		}
	}
}
