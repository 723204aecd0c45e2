package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The Python client reads every answer into types of its own, and fails on what
// does not fit. A shape says what it demands of an object: of each key, what may
// stand there. Other keys do not matter to it.
type shapeOf map[string]func(any) bool

func isInt(v any) bool {
	n, ok := v.(json.Number)
	_, err := n.Int64()
	return ok && err == nil
}

func isText(v any) bool { _, ok := v.(string); return ok }

func isArray(v any) bool { _, ok := v.([]any); return ok }

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

func isTime(v any) bool {
	s, _ := v.(string)
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

// orNull also takes a null, but not a key that is missing.
func orNull(is func(any) bool) func(any) bool {
	return func(v any) bool { return v == nil || is(v) }
}

// maybe takes a key that is missing as well.
func maybe(is func(any) bool) func(any) bool {
	return func(v any) bool { return v == missing || v == nil || is(v) }
}

// missing stands for a key that is not there.
var missing any = struct{ missing bool }{true}

var russian = regexp.MustCompile(`^7\d{10}$`)

func isPhone(v any) bool { s, ok := v.(string); return ok && russian.MatchString(s) }

func isURL(v any) bool {
	s, _ := v.(string)
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func isProvider(v any) bool {
	known := []string{"avito", "whatsapp", "whatsapp_business", "instagram", "telegram", "telegram_personal", "viber", "vk", "facebook"}
	s, ok := v.(string)
	return ok && slices.Contains(known, s)
}

// demands are the shapes of what lists hold, by the name of the list.
var demands = map[string]shapeOf{
	"companies": {"external_id": isInt, "name": isText, "phone": orNull(isPhone), "webhook_url": orNull(isURL), "description": orNull(isText)},
	"channels":  {"external_id": isInt, "provider": isProvider},
	"conversations": {"external_id": isInt, "name": isText, "channel_id": isInt, "channel_type": isText, "created_at": isTime, "created_at_timestamp": isInt,
		"avatar": isText, "sender_external_id": isText, "meta": isObject},
	"messages": {"external_id": isInt, "channel_id": isInt, "channel_type": isText, "message": isText, "income": func(v any) bool { _, ok := v.(bool); return ok },
		"created_at": isTime, "created_at_timestamp": isInt, "attachments": isArray},
}

// jobDemand leaves out conversation_id, which the client wants to be a number
// while the API it was made for answers null for a first message.
var jobDemand = shapeOf{"id": isInt, "company_id": isInt, "channel": isObject, "conversation_id": orNull(isInt), "state": isText, "created_at": isInt,
	"message_id": orNull(isInt), "details": orNull(isObject)}

// unmet returns what an object does not meet.
func (s shapeOf) unmet(v any) (all []string) {
	o, _ := v.(map[string]any)
	for key, is := range s {
		value, ok := o[key]
		if !ok {
			value = missing
		}
		if !is(value) {
			all = append(all, fmt.Sprintf("%s is %v", key, value))
		}
	}
	slices.Sort(all)
	return all
}

// demand checks an answer as the Python client does.
func demand(t *testing.T, r reply) {
	t.Helper()
	for _, problem := range undemanded(t, r) {
		t.Errorf("the Python client refuses %s: %s", problem, r.text)
	}
}

// undemanded returns all that the Python client would refuse. It reads no answer
// that is a failure, and takes any that is about codes.
func undemanded(t *testing.T, r reply) []string {
	t.Helper()
	if r.code < 200 || r.code > 299 {
		if !slices.Contains([]int{400, 401, 402, 403, 404, 405, 406, 410, 418, 429, 500, 502, 503}, r.code) {
			return []string{fmt.Sprint("the code ", r.code)}
		}
		return nil
	}
	if _, code := r.exact(t)["result"]; code {
		return nil
	}
	all := (shapeOf{"status": isStatus, "data": maybe(isObject)}).unmet(r.exact(t))
	data, _ := r.exact(t)["data"].(map[string]any)
	for name, shape := range demands {
		rows, listed := data[name].([]any)
		if !listed {
			continue
		}
		all = append(all, shapeOf{"next_page": orNull(isText)}.unmet(data)...)
		for _, row := range rows {
			all = append(all, shape.unmet(row)...)
		}
	}
	if _, ok := data["conversation"]; ok {
		all = append(all, demands["conversations"].unmet(data["conversation"])...)
	}
	if _, ok := data["state"]; ok {
		all = append(all, jobDemand.unmet(data)...)
		all = append(all, shapeOf{"id": isInt, "type": isText}.unmet(data["channel"])...)
	}
	if _, ok := data["external_id"]; ok {
		all = append(all, shapeOf{"external_id": isInt}.unmet(data)...)
	}
	return all
}

func isStatus(v any) bool {
	s, ok := v.(string)
	return ok && slices.Contains([]string{"ok", "created", "updated", "deleted"}, s)
}

// TestDemands: what the check notices.
func TestDemands(t *testing.T) {
	t.Parallel()
	const job = `{"id":1,"company_id":2,"channel":{"id":3,"type":"whatsapp"},"state":"trying_deliver","conversation_id":4,"message_id":null,"details":null,"created_at":5}`
	for _, tt := range []struct {
		name, data string
		want       int
	}{
		{"in order", `{"companies":[{"external_id":1,"name":"","phone":null,"description":null,"webhook_url":null}],"next_page":null}`, 0},
		{"a missing page", `{"companies":[]}`, 1},
		{"an empty address and another phone", `{"companies":[{"external_id":1,"name":"","phone":"88005553535","description":null,"webhook_url":""}],"next_page":null}`, 2},
		{"a provider it does not know", `{"channels":[{"external_id":1,"provider":"vkontakte"},{"external_id":2,"provider":"vk"}],"next_page":"x"}`, 1},
		{"a text for an id", `{"channels":[{"external_id":"1","provider":"vk"}],"next_page":1}`, 2},
		{"a message of nothing", `{"messages":[{"external_id":1,"channel_id":1,"channel_type":"vk","message":null,"income":1,"created_at":"now","created_at_timestamp":1}],"next_page":null}`, 4},
		{"a conversation of nulls", `{"conversation":{"external_id":1,"name":null,"channel_id":null}}`, 8},
		{"a job", job, 0},
		{"a job without details", `{"id":1,"company_id":2,"channel":{"id":3},"state":"x","conversation_id":4,"message_id":null,"created_at":5.5}`, 3},
		{"data that is a list", `[]`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := undemanded(t, reply{code: 200, text: `{"status":"ok","data":` + tt.data + `}`})
			if len(got) != tt.want {
				t.Errorf("noticed %q, want %d", got, tt.want)
			}
		})
	}
	if got := undemanded(t, reply{code: 200, text: `{"status":"done"}`}); len(got) != 1 {
		t.Errorf("a status of our own: %q", got)
	}
	if got := undemanded(t, reply{code: 422}); len(got) != 1 {
		t.Errorf("a code of our own: %q", got)
	}
}

// exact decodes an answer without losing a digit.
func (r reply) exact(t *testing.T) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, r.text)
	}
	return v
}
