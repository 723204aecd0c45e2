package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

const (
	messagesPath = onCV + "/messages"
	postMessages = "POST " + messagesPath
)

func messageScenes() []scene {
	return []scene{
		{number: "116", play: func(t *testing.T, n *tenant) { n.sends(t, messagesPath) }},
		{number: "117", tries: []try{
			on(postMessages, "", "400 message"), on(postMessages, "message=%20%0A", "400 message"), on(postMessages, `{"message":null,"attachments_ids":[]}`, "400 message"),
			on(postMessages, "message=hello", "ok"), on(postMessages, "text=hello", "ok"), on(postMessages, `{"message":5}`, "ok"), on(postMessages, `{"message":{}}`, "400 message"),
			on(postMessages, "message="+strings.Repeat("Ж", parley.MaxText), "ok"), on(postMessages, "message="+strings.Repeat("Ж", parley.MaxText+1), "400 message 32768"),
		}},
		{number: "118", play: sendFiles},
		{number: "119", tries: []try{
			on(postMessages, "attachments_ids[]=1", "400 attachments_ids"), on(postMessages, "message=x&attachments_ids[0]=1", "400 attachments_ids"),
			on(postMessages, `{"message":"x","attachment_ids":[1]}`, "400 attachments_ids"), on(postMessages, "message=x&attachments_ids=x", "400 attachments_ids"),
			on(postMessages, "message=x&attachments_ids[]=0", "400 attachments_ids"), on(postMessages, "message=x", "ok"),
		}},
		{number: "120", play: func(t *testing.T, n *tenant) {
			n.photos(t)
			two := "message=x&attachments_ids[]={F1}&attachments_ids[]={F2}"
			n.post(t, messagesPath, two).expect(t, "400 attachments_ids")
			n.ids["CV"] = int64(n.hear(t, n.whole(t, "VK"), "5", "1", "Hello"))
			n.post(t, messagesPath, two).expect(t, "ok")
			n.post(t, messagesPath, "attachments_ids[]={F1}&attachments_ids[]={F1}").expect(t, "400 attachments_ids twice")
		}},
		{number: "122", play: func(t *testing.T, n *tenant) { n.sends(t, onCV+"/message") }},
		{number: "123", tries: []try{
			on(postMessages, "message=x&send_to_crm=maybe", "400 send_to_crm"), on(postMessages, "message=x&send_to_crm=false", "ok"),
		}},
		{number: "124", play: sortedMessages},
		{number: "125", play: func(t *testing.T, n *tenant) {
			n.hearFile(t, "2", "")
			if got := n.get(t, messagesPath).rows(t, "messages", "message"); !cmp.Equal(got, []any{"Hello", ""}) {
				t.Errorf("got %q", got)
			}
		}},
		{number: "126", play: uploadExpected},
		{number: "127", play: fileURLs},
		{number: "128", play: refusedFiles},
		{number: "129", play: shownJob},
	}
}

// sendFiles names a file in every way.
func sendFiles(t *testing.T, n *tenant) {
	n.photos(t)
	for _, body := range []string{
		"message=x&attachments_ids[]={F1}", "attachments_ids[0]={F1}", `{"attachments_ids":[{F1}]}`, "message=&attachments_ids={F1}",
		`{"message":null,"attachments_ids":["{F1}"]}`, `{"attachment_ids":{F1}}`, "attachment_ids[]={F1}&text=%20",
	} {
		n.post(t, messagesPath, body).expect(t, "ok")
	}
	n.post(t, messagesPath, `{"message":"x","attachments_ids":[]}`).expect(t, "ok")
	n.post(t, messagesPath, "message=x&attachments_ids=").expect(t, "ok")
	n.post(t, messagesPath, `{"message":"x","attachments_ids":null}`).expect(t, "ok")
	with := 0
	for _, w := range n.open(t, "WA") {
		with += len(w.Message.Files)
	}
	if with != 7 {
		t.Errorf("%d messages have their file, want 7", with)
	}
}

// uploadExpected sends a large file once the server asks for it.
func uploadExpected(t *testing.T, n *tenant) {
	raw, err := os.ReadFile("testdata/sdk/php/40_attach_local_large.http")
	if err != nil || !strings.Contains(string(raw), `boundary="`) || !strings.Contains(string(raw), "Expect: 100-continue") {
		t.Fatalf("%s, %v", raw, err)
	}
	w := &world{n, map[string]string{"FILE": strings.Repeat("0123456789abcdef", 3<<15)}}
	id := w.wire(t, string(raw)).expect(t, "ok").id(t)
	if kept := n.kept(); len(kept) != 1 || int64(kept[0].id) != id || kept[0].size != 3<<19 || kept[0].Name != "a.bin" {
		t.Errorf("got %+v", kept)
	}
}

// fileServer answers with what its paths are called.
func fileServer(t *testing.T) string {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.png":
			fmt.Fprint(w, "PNG")
		case "/large":
			fmt.Fprint(w, strings.Repeat("x", 2<<10))
		case "/empty":
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(web.Close)
	return web.URL
}

func fileURLs(t *testing.T, n *tenant) {
	at := fileServer(t) + "/a.png"
	n.post(t, uploadPath, "file_url="+at).expect(t, "ok").id(t)
	n.post(t, uploadPath, fmt.Sprintf(`{"file_url":%q,"push_to_talk":true}`, at)).expect(t, "ok").id(t)
	n.post(t, uploadPath+"?file_url="+at+"&push_to_talk=1", "").expect(t, "ok").id(t)
	n.upload(t, part{field: "file_url", content: at}).expect(t, "ok").id(t)
	n.do(t, request{line: postUpload, body: fmt.Sprintf(`{"private_api_token":"{T}","file_url":%q}`, at), header: noToken}).expect(t, "ok")
	voices := []bool{}
	for _, k := range n.kept() {
		if voices = append(voices, k.voice); k.url != at || k.Company != n.company || int64(k.Channel) != n.ids["WA"] {
			t.Errorf("got %+v", k)
		}
	}
	if diff := cmp.Diff([]bool{false, true, true, false, false}, voices); diff != "" {
		t.Error(diff)
	}
}

func refusedFiles(t *testing.T, n *tenant) {
	at := fileServer(t)
	for body, want := range map[string]string{
		"":                                 "400 file file_url required",
		"file_url=":                        "400 file file_url required",
		`{"file_url":null}`:                "400 file file_url required",
		"file=bytes":                       "400 file name",
		"file_url=ftp://example.org/a":     "400 file_url",
		"file_url=abc":                     "400 file_url",
		`{"file_url":["http://x/"]}`:       "400 file_url",
		"file=x&file_url=" + at + "/a.png": "400 file",
		"file_url=" + at + "/missing":      "400 file_url 404",
		"file_url=" + at + "/empty":        "400 file empty",
		"file_url=" + at + "/a.png&push_to_talk=maybe": "400 push_to_talk",
	} {
		t.Log(body)
		n.post(t, uploadPath, body).expect(t, want)
	}
	n.upload(t, part{"file", "a", "", "x"}, part{field: "file_url", content: at + "/a.png"}).expect(t, "400 file_url given")
	n.upload(t, part{"file", "a", "", ""}).expect(t, "400 file empty")
	limit := n.files.limit
	n.files.limit = 1 << 10
	defer func() { n.files.limit = limit }()
	n.post(t, uploadPath, "file_url="+at+"/large").expect(t, "400 file large")
	n.upload(t, part{"file", "a", "", strings.Repeat("x", 1<<10+1)}).expect(t, "400 file large")
	if kept := n.kept(); len(kept) != 0 {
		t.Errorf("stored %+v", kept)
	}
	n.upload(t, part{"file", "a", "", strings.Repeat("x", 1<<10)}).expect(t, "ok")
	n.post(t, uploadPath, "file_url="+at+"/a.png&push_to_talk=0").expect(t, "ok")
}

// whole returns one of the tenant's channels.
func (n *tenant) whole(t *testing.T, name string) *parley.Channel {
	t.Helper()
	ch, err := n.db.Channel(context.Background(), parley.ChannelID(n.ids[name]))
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

const jobShape = `{"status":"ok","data":{"id":%v,"company_id":{C},"channel":{"id":{WA},"type":"whatsapp"},"state":%s,"conversation_id":%v,` +
	`"message_id":%s,"details":%s,"created_at":UNIX}}`

// sends posts a message to a path, and checks the job.
func (n *tenant) sends(t *testing.T, path string) {
	t.Helper()
	got := n.post(t, path, "message=hello").expect(t, "ok")
	want := n.fill(fmt.Sprintf(jobShape, got.at("data", "id"), `"trying_deliver"`, "{CV}", "null", "null"))
	if diff := cmp.Diff(want, still(got.text)); diff != "" {
		t.Error(diff)
	}
	work := n.open(t, "WA")
	if len(work) != 1 || float64(work[0].Job.ID) != got.at("data", "id") || work[0].Message.Text != "hello" {
		t.Errorf("got jobs %+v", work)
	}
}

func sortedMessages(t *testing.T, n *tenant) {
	for i := range 4 {
		n.hear(t, n.whole(t, "WA"), "79250000001", fmt.Sprint("m", i), fmt.Sprint(i))
	}
	got := n.get(t, messagesPath+"?sort=desc&per=3").expect(t, "ok")
	if diff := cmp.Diff([]any{"3", "2", "1"}, got.rows(t, "messages", "message")); diff != "" {
		t.Error(diff)
	}
	rest := n.get(t, messagesPath+"?from="+got.at("data", "next_page").(string)).expect(t, "ok")
	if diff := cmp.Diff([]any{"0", "Hello"}, rest.rows(t, "messages", "message")); diff != "" {
		t.Error(diff)
	}
	before := "9"
	for _, at := range append(got.rows(t, "messages", "created_at"), rest.rows(t, "messages", "created_at")...) {
		if at.(string) > before {
			t.Errorf("created_at rises to %s", at)
		}
		before = at.(string)
	}
}

// end ends the only open job of WA.
func (n *tenant) end(t *testing.T, result store.Result) {
	t.Helper()
	work := n.open(t, "WA")
	if len(work) == 0 {
		t.Fatal("no open job")
	}
	grant, _ := n.grants(t).Grant(n.company)
	claim := &store.Claim{Job: work[0].Job.ID, Company: n.company, Grant: grant, Deadline: time.Now().Add(time.Minute)}
	if err := n.db.Claim(context.Background(), claim); err != nil {
		t.Fatal(err)
	}
	work[0].Claimed(claim)
	_, err := n.db.Finish(context.Background(), &store.Finish{Work: &work[0], Grant: grant, Result: result, Reason: "no such contact", Parts: 1,
		Sent: connector.Sent{ProviderID: fmt.Sprint("sent ", work[0].Job.ID), Ack: parley.AckSent}})
	if err != nil {
		t.Fatal(err)
	}
}

func shownJob(t *testing.T, n *tenant) {
	ctx := context.Background()
	n.ids["J"] = int64(n.post(t, messagesPath, "message=hello").expect(t, "ok").at("data", "id").(float64))
	const jobs = channelsPath + "/{WA}/jobs/"
	check := func(id, state, conversation, message, details string) {
		t.Helper()
		want := n.fill(fmt.Sprintf(jobShape, id, `"`+state+`"`, conversation, message, details))
		if diff := cmp.Diff(want, still(n.get(t, jobs+id).text)); diff != "" {
			t.Error(diff)
		}
	}
	check("{J}", "trying_deliver", "{CV}", "null", "null")
	n.get(t, channelsPath+"/{TG}/jobs/{J}").expect(t, "404 Job")
	n.get(t, jobs+"999999999").expect(t, "404 Job")
	n.end(t, store.Failed)
	check("{J}", "not_delivered", "{CV}", "null", `{"result":"NOT DELIVERED","reason":"no such contact"}`)

	first := n.post(t, conversationsPath, "provider=whatsapp&phone=79250000005&text=hi").expect(t, "ok")
	n.ids["F"] = int64(first.at("data", "conversation", "external_id").(float64))
	n.ids["J2"] = int64(n.open(t, "WA")[0].Job.ID)
	check("{J2}", "trying_deliver", "null", "null", "null")
	n.end(t, store.Delivered)
	job, err := n.db.Job(ctx, n.company, parley.ChannelID(n.ids["WA"]), parley.JobID(n.ids["J2"]))
	if err != nil {
		t.Fatal(err)
	}
	check("{J2}", "delivered", "{F}", fmt.Sprint(job.Message), `{"result":"DELIVERED"}`)

	n.do(t, request{line: "DELETE " + channelsPath + "/{WA}"}).expect(t, "deleted")
	n.get(t, jobs+"{J2}").expect(t, "ok")
	n.post(t, messagesPath, "message=hello").expect(t, "400 channel deleted")
	if got := n.get(t, onCV).expect(t, "ok"); got.at("data", "conversation", "channel_id") != float64(n.ids["WA"]) {
		t.Errorf("got %s", got.text)
	}
	n.get(t, messagesPath).expect(t, "ok")
}

// grants are the tenant's rights as the owner of everything: shared by all tests
// of a database, since taking shards again would end the terms of the others.
func (g *gateway) grants(t *testing.T) storetest.Grants {
	t.Helper()
	g.owner.Do(func() { g.owned = storetest.Own(t, g.db, "test") })
	return g.owned
}
