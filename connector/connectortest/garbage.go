package connectortest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parley-im/parley/connector"
)

// garbage are bodies that no provider makes.
var garbage = []string{
	"", " ", "\x00", "\xff\xfe", "null", "true", "17", `"text"`, "[]", "[[]]", "{}", "{", `{"a":`, `{"a":1}{"b":2}`,
	"<html></html>", "a=b&c=d", `{"":null}`, `{"id":1e400}`, strings.Repeat("[", 20_000), strings.Repeat("\n", 1000),
}

// captured returns a genuine callback about one message, and who takes it.
func captured(w *world) (connector.Receiver, connector.Callback) {
	r := w.subscribed()
	w.say("Ann", "hello")
	return r.client, r.next(1).callback
}

// receiveGarbage: whatever comes with the right secret becomes events, and what
// makes no sense one that is quarantined with its bytes.
func receiveGarbage(w *world) {
	client, genuine := captured(w)
	bodies := append([]string{}, garbage...)
	for n := range genuine.Body {
		bodies = append(bodies, string(genuine.Body[:n]))
	}
	ids := map[identity]string{}
	for _, body := range bodies {
		e, ok := w.unknown(client, genuine, body)
		if !ok {
			continue
		}
		if other, taken := ids[w.identity(e)]; taken && other != body {
			w.Errorf("bodies %.40q and %.40q have one identity", other, body)
		}
		ids[w.identity(e)] = body
	}
}

// unknown receives a body that must become one event of kind unknown, the same
// each time.
func (w *world) unknown(client connector.Receiver, genuine connector.Callback, body string) (connector.Event, bool) {
	w.Helper()
	genuine.Body = []byte(body)
	events, _, err := client.Receive(w.ctx, genuine)
	again, _, _ := client.Receive(w.ctx, genuine)
	if w.seen(err) != nil || len(events) != 1 {
		w.Errorf("Receive of %.40q: got %d events and error %v, want one event", body, len(events), err)
		return connector.Event{}, false
	}
	if kind := fmt.Sprintf("%T", events[0].What); kind != "connector.Unknown" || string(events[0].Raw) != body {
		w.Errorf("Receive of %.40q: got %s with %d raw bytes, want connector.Unknown with all %d", body, kind, len(events[0].Raw), len(body))
		return connector.Event{}, false
	}
	if diff := cmp.Diff(events, again); diff != "" {
		w.Errorf("Receive of %.40q is not the same each time:\n%s", body, diff)
	}
	return events[0], true
}

// receiveUnknownFields: providers add fields without notice.
func receiveUnknownFields(w *world) {
	client, genuine := captured(w)
	want, _, err := client.Receive(w.ctx, genuine)
	w.ok("Receive", err)
	var body any
	d := json.NewDecoder(strings.NewReader(string(genuine.Body)))
	d.UseNumber()
	w.ok("read the callback's JSON", d.Decode(&body))
	genuine.Body, err = json.Marshal(grown(body))
	w.ok("write the callback's JSON", err)
	got, _, err := client.Receive(w.ctx, genuine)
	w.ok("Receive with unknown fields", err)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(connector.Event{}, "Raw")); diff != "" {
		w.Errorf("events with unknown fields (-without +with):\n%s", diff)
	}
}

// grown adds unknown members to every object of a JSON value.
func grown(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = grown(member)
		}
		v["parley_unheard_of"] = map[string]any{"id": 1, "list": []any{nil, "x"}}
		v["aaa_unheard_of"] = true
	case []any:
		for i := range v {
			v[i] = grown(v[i])
		}
	}
	return v
}
