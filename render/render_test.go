package render_test

import (
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/render"
)

var (
	when = time.Date(2017, 11, 11, 12, 45, 53, 76e6, time.UTC)
	conv = &parley.Conversation{ID: 1, Company: 9, Channel: 2, Spelling: "whatsapp", Name: "Sender Name", PublicID: "79250000001", CreatedAt: when}
)

// TestBodies compares whole bodies: keys, their order, and formats.
func TestBodies(t *testing.T) {
	t.Parallel()
	compare(t, []golden{
		{"conversation/new", render.Conversation("new", conv),
			`{"type":"conversation","event":"new","data":{"external_id":1,"name":"Sender Name","avatar_url":null,"channel_id":2,"channel_type":"whatsapp",` +
				`"created_at":"2017-11-11 12:45:53 UTC","created_at_timestamp":1510404353,"last_message_at":null,"last_income_message_at":null,"sender_external_id":"79250000001"}}`},
		{"conversation/update with everything", render.Conversation("update", &parley.Conversation{ID: 1, Channel: 2, Spelling: "vk", Name: `A "B"`, PublicID: "5",
			AvatarURL: "https://x/y.png", LastMessage: when, LastIncome: when, CreatedAt: when}),
			`{"type":"conversation","event":"update","data":{"external_id":1,"name":"A \"B\"","avatar_url":"https://x/y.png","channel_id":2,"channel_type":"vk",` +
				`"created_at":"2017-11-11 12:45:53 UTC","created_at_timestamp":1510404353,"last_message_at":1510404353,"last_income_message_at":1510404353,"sender_external_id":"5"}}`},
		{"message/new received", render.MessageNew(conv, &parley.Message{ID: 7, Text: "Message body", Income: true, Ack: 1, CreatedAt: when}),
			`{"type":"message","event":"new","data":{"external_id":7,"external_public_id":"79250000001","channel_id":2,"channel_type":"whatsapp","channel":{"id":2,"type":"whatsapp"},` +
				`"conversation_id":1,"message":"Message body","location":{},"income":true,"created_at":"2017-11-11 12:45:53 UTC","created_at_timestamp":1510404353,"ack":1,"attachments":[]}}`},
		{"message/new own, with every extension", render.MessageNew(conv, &parley.Message{ID: 7, Ack: 1, Job: 3, ReplyTo: 6, Forwarded: true, Payload: "p", CreatedAt: when,
			Location: &parley.Location{Latitude: 52.1, Longitude: -4, Name: "N", Address: "A"}}),
			`{"type":"message","event":"new","data":{"external_id":7,"external_public_id":"79250000001","channel_id":2,"channel_type":"whatsapp","channel":{"id":2,"type":"whatsapp"},` +
				`"conversation_id":1,"message":"","location":{"latitude":52.1,"longitude":-4,"name":"N","address":"A"},"income":false,"created_at":"2017-11-11 12:45:53 UTC",` +
				`"created_at_timestamp":1510404353,"ack":1,"attachments":[],"job_id":3,"reply_to_id":6,"forwarded":true,"payload":"p"}}`},
		{"message/ack", render.MessageAck(conv, 7, parley.AckRead),
			`{"type":"message","event":"ack","data":{"external_id":7,"channel":{"id":2,"type":"whatsapp"},"conversation_id":1,"ack":3}}`},
		{"message/update", render.MessageChanged("update", conv, &parley.Message{ID: 7, Text: "new", EditedAt: when}),
			`{"type":"message","event":"update","data":{"external_id":7,"channel":{"id":2,"type":"whatsapp"},"conversation_id":1,"message":"new","edited_at_timestamp":1510404353}}`},
		{"message/delete", render.MessageChanged("delete", conv, &parley.Message{ID: 7, DeletedAt: when}),
			`{"type":"message","event":"delete","data":{"external_id":7,"channel":{"id":2,"type":"whatsapp"},"conversation_id":1,"deleted_at_timestamp":1510404353}}`},
		{"job delivered", render.JobExecuted(&parley.Job{ID: 3, Message: 7, State: parley.JobDelivered, DoneAt: when}),
			`{"type":"job","event":"executed","data":{"id":3,"result":"DELIVERED","message_id":7,"date":1510404353}}`},
		{"job not delivered", render.JobExecuted(&parley.Job{ID: 3, Message: 7, State: parley.JobNotDelivered, Reason: "blocked", DoneAt: when}),
			`{"type":"job","event":"executed","data":{"id":3,"result":"NOT DELIVERED","message_id":null,"reason":"blocked","date":1510404353}}`},
	})
}

func BenchmarkMessageNew(b *testing.B) {
	m := &parley.Message{ID: 7, Text: "Hello, is my order on its way?", Income: true, Ack: 1, CreatedAt: when}
	b.ReportAllocs()
	for b.Loop() {
		render.MessageNew(conv, m)
	}
}
