package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// raw sends a request byte for byte, and returns the answer with its times hidden.
func (n *tenant) raw(t *testing.T, line, header, body string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body = n.fill(body)
	if body != "" {
		header += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nX-Private-Api-Token: %s\r\n%s\r\n%s", n.fill(line), n.token, header, body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, still(string(text))
}

// TestClients plays what the official PHP and Python clients and curl users send
// to the endpoints that there are, and checks the answers to the byte. In an
// answer, N stands for any number.
func TestClients(t *testing.T) {
	t.Parallel()
	const (
		php     = "Accept: */*\r\n"
		phpForm = php + "Content-Type: application/x-www-form-urlencoded\r\n"
		python  = "Accept: application/json\r\nContent-Type: application/json\r\n"
		made    = `{"status":"created","data":{"external_id":N}}`
		changed = `{"status":"updated","data":{"external_id":{C}}}`
		message = `{"external_id":N,"channel_id":{WA},"channel_type":"whatsapp","message":"Hello","income":true,"created_at":"ISO","created_at_timestamp":UNIX,"attachments":[]}`
		job     = `{"status":"ok","data":{"id":N,"company_id":{C},"channel":{"id":{WA},"type":"whatsapp"},"state":"trying_deliver","conversation_id":{CV},"message_id":null,"details":null,"created_at":UNIX}}`
		api     = "/p1/companies/{C}"
		old     = "/p1//companies/{C}"
	)
	conversation := fmt.Sprintf(shape, "{CV}", "Ann", "79250000001", "UNIX", "UNIX")
	one := `{"status":"ok","data":{"conversation":` + conversation + `}}`
	talk := `{"status":"ok","data":{"messages":[` + message + `],"next_page":null}}`
	talks := `{"status":"ok","data":{"conversations":[` + conversation + `],"next_page":null}}`
	channels := `{"status":"ok","data":{"channels":[{"external_id":{WA},"provider":"whatsapp"}],"next_page":null}}`
	cases := []struct{ name, line, header, body, want string }{
		{"PHP companies", "GET /p1//companies?from=&per=50&sort_direction=asc", php, "",
			`{"status":"ok","data":{"companies":[{"external_id":{C},"name":"{NAME}","phone":null,"description":null,"webhook_url":null}],"next_page":null}}`},
		{"PHP create company", "POST /p1//companies", phpForm, "name=COMPANY_NAME", made},
		{"PHP update company", "PUT " + old, phpForm, "name=%7BNAME%7D", changed},
		{"PHP channels", "GET " + api + "/channels?per=50", php, "", channels},
		{"PHP create channel", "POST " + api + "/channels", phpForm, "provider=telegram&token=12345677890&sync_messages_from=1510393147", made},
		{"PHP conversations", "GET " + old + "/conversations?sort_direction=desc", php, "", talks},
		{"PHP conversation", "GET " + old + "/conversations/{CV}", php, "", one},
		{"PHP assign", "PUT " + old + "/conversations/{CV}/assign", phpForm, "assignee_id=42", one},
		{"PHP unassign: no body, no length", "PUT " + old + "/conversations/{CV}/assign", php, "", one},
		{"PHP messages", "GET " + api + "/conversations/{CV}/messages?sort=desc", php, "", talk},
		{"PHP send", "POST " + api + "/conversations/{CV}/messages", phpForm, "message=hi", job},
		{"PHP send nothing: no body, no length", "POST " + api + "/conversations/{CV}/messages", php, "",
			`{"status":"errored","errors":["message is required"],"code":"validation_failed"}`},
		{"Python companies", "GET /p1/companies/?from_=TOKEN", python, "",
			`{"status":"ok","data":{"companies":[{"external_id":{C},"name":"{NAME}","phone":null,"description":null,"webhook_url":null}],"next_page":null}}`},
		{"Python create company", "POST /p1/companies/", python, `{"name": "\u0418\u043c\u044f", "phone": null, "hidden": false}`, made},
		{"Python update company", "PUT " + api, python, `{"description": null}`, changed},
		{"Python channels", "GET " + api + "/channels/", python, "", channels},
		{"Python create channel", "POST " + api + "/channels/", python, `{"provider": "viber", "token": "T"}`, made},
		{"Python update channel: a form labelled JSON", "PUT " + api + "/channels/{TG}/", python, "token=N",
			`{"status":"updated","data":{"external_id":{TG}}}`},
		{"Python delete channel", "DELETE " + api + "/channels/{TG}/", python + "Content-Length: 0\r\n", "", `{"status":"deleted"}`},
		{"Python conversations", "GET " + api + "/conversations/?per=10&sort_direction=desc", python, "", talks},
		{"Python conversation", "GET " + api + "/conversations/{CV}/", python, "", one},
		{"Python assign: a form labelled JSON", "PUT " + api + "/conversations/{CV}/assign/", python, "assignee_id=42", one},
		{"Python messages", "GET " + api + "/conversations/{CV}/messages/", python, "", talk},
		{"Python send", "POST " + api + "/conversations/{CV}/messages/", python, `{"message": "hi", "attachments_ids": null}`, job},
		{"Python job", "GET " + api + "/channels/{WA}/jobs/{J}/", python, "", strings.Replace(job, ":N", ":{J}", 1)},
		{"curl sends JSON as a form", "POST " + api + "/conversations/{CV}/message", phpForm, `{"message":"hi"}`, job},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := newGateway(t, db)
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				n := g.tenant(t)
				n.ids["CV"] = int64(n.hear(t, n.channel(t, "WA", "whatsapp"), "79250000001", "1", "Hello"))
				if strings.Contains(tc.line, "{TG}") {
					n.channel(t, "TG", "telegram")
				}
				if strings.Contains(tc.line, "{J}") {
					n.ids["J"] = int64(n.post(t, messagesPath, "message=x").at("data", "id").(float64))
				}
				name := n.get(t, "/p1/companies/{C}").at("data", "name").(string)
				resp, got := n.raw(t, tc.line, tc.header, tc.body)
				want := strings.ReplaceAll(n.fill(tc.want), "{NAME}", name)
				if diff := cmp.Diff(want, anyNumber(want, got)); diff != "" {
					t.Errorf("%d: %s", resp.StatusCode, diff)
				}
			})
		}
	})
}

// anyNumber puts N into got where want has it instead of a number.
func anyNumber(want, got string) string {
	before, after, found := strings.Cut(want, ":N")
	if !found || !strings.HasPrefix(got, before+":") {
		return got
	}
	rest := strings.TrimLeft(got[len(before)+1:], "0123456789")
	return before + ":N" + anyNumber(after, rest)
}
