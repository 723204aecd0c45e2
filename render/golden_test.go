package render_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/render"
)

var update = flag.Bool("update", false, "write the bodies in testdata/webhook")

// The instants of the bodies: one for what happened, a later one for what was
// made of it.
var (
	happened = time.Date(2017, 11, 11, 12, 45, 53, 76e6, time.UTC)
	later    = time.Date(2017, 11, 11, 15, 46, 7, 999e6, time.FixedZone("east of UTC", 3*3600))
)

// bodies has one body of each kind of event, and of kinds that have several
// looks one of each.
func bodies() map[string][]byte {
	whole := &parley.Conversation{ID: 1, Channel: 2, Spelling: "vk", Name: "Ann \"A\"\n", PublicID: "79250000001", AvatarURL: "https://x.example/a.png",
		CreatedAt: happened, LastMessage: later, LastIncome: happened}
	placed := &parley.Message{ID: 7, Income: true, Ack: parley.AckSent, CreatedAt: happened, Location: &parley.Location{Latitude: 55.75, Longitude: 37.61, Name: "N", Address: "A"}}
	own := &parley.Message{ID: 8, Text: "Здравствуйте", Ack: parley.AckSent, Job: 3, CreatedAt: later, Files: []parley.Attachment{photo}}
	failed := voice
	failed.State, failed.Reason = parley.AttachmentFailed, "too large"
	all := map[string][]byte{
		"conversation_new":           render.Conversation("new", conv),
		"conversation_update":        render.Conversation("update", whole),
		"conversation_blocked":       render.Conversation("blocked", conv),
		"conversation_unblocked":     render.Conversation("unblocked", conv),
		"message_new":                render.MessageNew(conv, &parley.Message{ID: 7, Text: "Message body", Income: true, Ack: parley.AckSent, CreatedAt: happened}),
		"message_new-own":            render.MessageNew(conv, own),
		"message_new-place":          render.MessageNew(conv, placed),
		"message_ack":                render.MessageAck(conv, 8, parley.AckRead),
		"message_update":             render.MessageChanged("update", conv, &parley.Message{ID: 7, Text: "new", EditedAt: later}),
		"message_delete":             render.MessageChanged("delete", conv, &parley.Message{ID: 7, DeletedAt: later}),
		"attachment_ready":           render.AttachmentEvent("ready", conv, &photo),
		"attachment_failed":          render.AttachmentEvent("failed", conv, &failed),
		"job_executed":               render.JobExecuted(&parley.Job{ID: 3, Message: 8, State: parley.JobDelivered, DoneAt: later}),
		"job_executed-not_delivered": render.JobExecuted(&parley.Job{ID: 3, Message: 8, State: parley.JobNotDelivered, Reason: "no such contact", DoneAt: later}),
		"qr_code_new":                render.QRCode(9, 2, []byte("\x89PNG\r\n\x1a\n\xff\xfb\xbe")),

		"service_messages_update":               render.ServiceMessage(42, true, happened, "whatsapp"),
		"service_messages_update-not_delivered": render.ServiceMessage(42, false, happened, "whatsapp"),

		"group_conversation_new":         render.GroupConversation("new", group),
		"group_conversation_update":      render.GroupConversation("update", group),
		"group_conversation_contact_new": render.GroupMember(group, "79000000000", later),
		"group_message_new": render.GroupMessageNew(group, &parley.Message{ID: 7, Text: "Message body", Income: true, Ack: parley.AckSent, Author: "79000000000",
			CreatedAt: at}),
		"group_message_new-own": render.GroupMessageNew(group, &parley.Message{ID: 8, Text: "Message body", Ack: parley.AckSent, Job: 3, CreatedAt: at}),
		"group_message_ack":     render.GroupMessageAck(group, 8, parley.AckRead, "79000000000", later),
	}
	maps.Copy(all, systems())
	return all
}

// systems has an event of each message about a channel.
func systems() map[string][]byte {
	all := map[string][]byte{}
	for _, message := range []string{render.Authorized, render.PhoneOffline, render.PhoneOnline, render.Unavailable, render.Resuming, render.Synchronized,
		render.Disabled, render.InstagramDisabled, render.PasswordRequired} {
		name := "system-" + strings.ToLower(strings.ReplaceAll(message, " ", "_"))
		all[name] = render.System(message, render.Severity(message), 2, happened, later)
	}
	all["system-challenge_required"] = render.SystemChoices(render.ChallengeRequired, 2, happened, later,
		[]render.Choice{{Value: 1, Label: "a*******a@example.org"}, {Value: 0, Label: "+0 *** ***-**-00"}})
	all["system-two_factor_required"] = render.SystemChoices(render.TwoFactorRequired, 2, happened, later,
		[]render.Choice{{Value: 1, Key: "sms"}, {Value: 2, Key: "recovery_code"}, {Value: 3, Key: "totp"}})
	return all
}

// TestWebhooks compares each body, to the byte, with its file in testdata/webhook.
// A file that no body is compared with is a failure as well.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	all := bodies()
	for name, got := range all {
		file := filepath.Join("testdata", "webhook", name+".json")
		if *update {
			if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(bytes.TrimSuffix(want, []byte("\n"))), string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !json.Valid(got) {
			t.Errorf("%s is no JSON", name)
		}
	}
	files, err := filepath.Glob("testdata/webhook/*.json")
	if err != nil || len(files) != len(all) {
		t.Errorf("%d files for %d bodies, %v", len(files), len(all), err)
	}
}

// TestWebhookKinds: every kind of event that anything renders has a body among
// those of TestWebhooks.
func TestWebhookKinds(t *testing.T) {
	t.Parallel()
	all := slices.Sorted(maps.Keys(bodies()))
	for _, kind := range []parley.EventKind{
		parley.EventConversationNew, parley.EventConversationUpdate, parley.EventConversationBlocked, parley.EventConversationUnblocked,
		parley.EventMessageNew, parley.EventMessageAck, parley.EventMessageUpdate, parley.EventMessageDelete,
		parley.EventAttachmentReady, parley.EventAttachmentFailed, parley.EventGroupNew, parley.EventGroupUpdate, parley.EventGroupMessageNew,
		parley.EventGroupMessageAck, parley.EventGroupMemberNew, parley.EventJobExecuted, parley.EventQRCode, parley.EventSystem, parley.EventService,
	} {
		name := strings.ReplaceAll(string(kind), "/", "_")
		if !slices.ContainsFunc(all, func(s string) bool { return s == name || strings.HasPrefix(s, name+"-") }) {
			t.Errorf("no body of %s", kind)
		}
	}
}

// value follows keys into a body; a key that is not there gives a nil and false.
func value(t *testing.T, body []byte, keys ...string) (any, bool) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	there := true
	for _, key := range keys {
		o, _ := v.(map[string]any)
		v, there = o[key]
	}
	return v, there
}

// TestTimes: where a time stands in which format. They differ on purpose.
func TestTimes(t *testing.T) {
	t.Parallel()
	const stamp, milli, unix = `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$`, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, `^1\d{9}$`
	all := bodies()
	for _, tt := range []struct{ name, key, looks, want string }{
		{"conversation_new", "created_at", stamp, "2017-11-11 12:45:53 UTC"},
		{"conversation_new", "created_at_timestamp", unix, "1510404353"},
		{"conversation_update", "last_message_at", unix, "1510404367"},
		{"conversation_update", "last_income_message_at", unix, "1510404353"},
		{"message_new", "created_at", stamp, "2017-11-11 12:45:53 UTC"},
		{"message_new-own", "created_at", stamp, "2017-11-11 12:46:07 UTC"},
		{"message_new-own", "created_at_timestamp", unix, "1510404367"},
		{"message_update", "edited_at_timestamp", unix, "1510404367"},
		{"message_delete", "deleted_at_timestamp", unix, "1510404367"},
		{"system-disabled", "date", stamp, "2017-11-11 12:45:53 UTC"},
		{"system-disabled", "date_timestamp", unix, "1510404353"},
		{"system-disabled", "timestamp", unix, "1510404367"},
		{"group_conversation_new", "created_at", milli, "2023-04-28T12:34:01.937Z"},
		{"group_conversation_new", "created_at_timestamp", unix, "1682685241"},
		{"group_message_new", "created_at", milli, "2023-04-28T12:34:01.937Z"},
		{"group_message_new", "created_at_timestamp", unix, "1682685241"},
		{"group_message_new", "external_created_at_timestamp", unix, "1682685241"},
		{"group_message_ack", "timestamp", unix, "1510404367"},
		{"group_conversation_contact_new", "date_timestamp", unix, "1510404367"},
		{"job_executed", "date", unix, "1510404367"},
		{"job_executed-not_delivered", "date", unix, "1510404367"},
		{"service_messages_update", "delivered_at", stamp, "2017-11-11 12:45:53 UTC"},
		{"service_messages_update", "delivered_at_timestamp", unix, "1510404353"},
	} {
		got, _ := value(t, all[tt.name], "data", tt.key)
		text, quoted := got.(string)
		if n, ok := got.(json.Number); ok {
			text = n.String()
		}
		if text != tt.want || !regexp.MustCompile(tt.looks).MatchString(text) || quoted == (tt.looks == unix) {
			t.Errorf("%s, %s: got %v, want %s", tt.name, tt.key, got, tt.want)
		}
	}
}

// TestAbsentAndNull: which keys are null when there is nothing to say, and which
// are not there at all.
func TestAbsentAndNull(t *testing.T) {
	t.Parallel()
	all := bodies()
	const absent, null, empty, there = "absent", "null", "empty", "there"
	for _, tt := range []struct{ name, key, want string }{
		{"conversation_new", "avatar_url", null}, {"conversation_update", "avatar_url", there},
		{"conversation_new", "last_message_at", null}, {"conversation_new", "last_income_message_at", null},
		{"message_new", "job_id", absent}, {"message_new-own", "job_id", there}, {"message_new", "location", empty}, {"message_new-place", "location", there},
		{"message_new", "attachments", empty}, {"message_new", "reply_to_id", absent}, {"message_new", "forwarded", absent}, {"message_new", "payload", absent},
		{"message_new", "edited_at_timestamp", absent}, {"message_new", "deleted_at_timestamp", absent}, {"message_new-place", "message", empty},
		{"job_executed", "reason", absent}, {"job_executed", "message_id", there},
		{"job_executed-not_delivered", "reason", there}, {"job_executed-not_delivered", "message_id", null},
		{"system-disabled", "timestamp", there}, {"system-ig_was_set_disabled", "timestamp", absent}, {"system-ig_was_set_disabled", "date_timestamp", there},
		{"group_conversation_new", "avatar_url", null}, {"group_conversation_new", "last_message_at", null}, {"group_conversation_new", "last_income_message_at", null},
		{"group_message_new", "location", null}, {"group_message_new", "job_id", absent}, {"group_message_new-own", "job_id", there},
		{"group_message_new", "external_public_id", there}, {"group_message_new-own", "external_public_id", null}, {"group_message_ack", "external_public_id", null},
		{"service_messages_update", "delivered_via", there}, {"service_messages_update-not_delivered", "delivered_via", null},
		{"service_messages_update-not_delivered", "delivered_at", null}, {"service_messages_update-not_delivered", "delivered_at_timestamp", null},
	} {
		got, found := value(t, all[tt.name], "data", tt.key)
		is := there
		text, quoted := got.(string)
		list, listed := got.([]any)
		o, nested := got.(map[string]any)
		switch {
		case !found:
			is = absent
		case got == nil:
			is = null
		case quoted && text == "", listed && len(list) == 0, nested && len(o) == 0:
			is = empty
		}
		if is != tt.want {
			t.Errorf("%s, %s: is %s, want %s", tt.name, tt.key, is, tt.want)
		}
	}
}

// TestSeverities: what the contract calls critical.
func TestSeverities(t *testing.T) {
	t.Parallel()
	for name, body := range systems() {
		want := render.Critical
		if name == "system-authorized" || name == "system-ig_was_set_disabled" {
			want = render.Information
		}
		if got, _ := value(t, body, "severity"); got != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
		if _, there := value(t, body, "event"); there {
			t.Errorf("%s has a key event", name)
		}
	}
}
