package connectortest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/parley-im/parley/simulator"
)

// post plays the outside world by a verb with pairs of name and value.
func (w *world) post(verb string, params url.Values) Answer {
	w.Helper()
	return flat(w, w.control(http.MethodPost, verb, strings.NewReader(params.Encode())))
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func flat(w *world, body []byte) Answer {
	w.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		w.Fatalf("the simulator answered %.200q: %v", body, err)
	}
	a := Answer{}
	for name, raw := range members {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		a[name] = text
	}
	return a
}

// control makes one request to the control API and returns its answer of 200.
func (w *world) control(method, verb string, body io.Reader) []byte {
	w.Helper()
	return w.request(method, verb, "application/x-www-form-urlencoded", body)
}

func (w *world) request(method, verb, mime string, body io.Reader) []byte {
	w.Helper()
	address := w.base + "/sim/" + w.suite.Provider.Spec().Name + "/" + verb
	req, err := http.NewRequestWithContext(w.ctx, method, address, body)
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", mime)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatalf("control %s %s: %v", method, verb, err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.Fatalf("control %s %s: status %d, error %v, answer %s", method, verb, resp.StatusCode, err, bytes.TrimSpace(out))
	}
	return out
}

// A said is what became of something a person did.
type said struct {
	chat, message string
	date          int64 // unix seconds; 0 if the simulator does not tell
}

// act lets a person do something to the account.
func (w *world) act(verb, person string, more ...string) said {
	w.Helper()
	params := values(append([]string{"account", w.account, "person", person}, more...)...)
	return saidOf(w.post(verb, params))
}

func saidOf(a Answer) said {
	date, _ := strconv.ParseInt(a["date"], 10, 64) // stays 0
	return said{a["chat"], a["message_id"], date}
}

func (w *world) say(person, text string) said {
	w.Helper()
	return w.act("say", person, "text", text)
}

// meet makes a person and returns the id of the chat with them.
func (w *world) meet(name string) string {
	w.Helper()
	a := w.post("people", values("name", name))
	if a["chat"] != "" {
		return a["chat"]
	}
	return a["id"]
}

// raw gives the account something of the provider's own shape.
func (w *world) raw(event string) {
	w.Helper()
	w.control(http.MethodPost, "raw?"+values("account", w.account).Encode(), strings.NewReader(event))
}

func (w *world) fault(kind simulator.FaultKind, more ...string) {
	w.Helper()
	w.post("faults", values(append([]string{"account", w.account, "kind", string(kind)}, more...)...))
}

// sent is what the provider has accepted so far.
func (w *world) sent() []simulator.Sent { w.Helper(); return w.accepted(0, 0) }

// accepted returns what was accepted after the first n, waiting some seconds for it.
func (w *world) accepted(n, seconds int) []simulator.Sent {
	w.Helper()
	query := values("account", w.account, "after", strconv.Itoa(n), "limit", "10000", "wait", strconv.Itoa(seconds))
	var list struct{ Sent []simulator.Sent }
	if err := json.Unmarshal(w.control(http.MethodGet, "sent?"+query.Encode(), nil), &list); err != nil {
		w.Fatalf("GET sent: %v", err)
	}
	return list.Sent
}

func texts(list []simulator.Sent) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, s.Text)
	}
	return out
}
