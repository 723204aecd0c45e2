package render_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/render"
)

// A golden is a body and what it must be, to the byte.
type golden struct {
	name string
	got  []byte
	want string
}

func compare(t *testing.T, all []golden) {
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, string(tt.got)); diff != "" {
				t.Error(diff)
			}
			described(t, tt.got)
		})
	}
}

var (
	at    = time.Date(2023, 4, 28, 12, 34, 1, 937e6, time.UTC)
	group = &parley.Conversation{ID: 1, Channel: 2, Spelling: "whatsapp", Group: true, Name: "Group name", PublicID: "120363148147828952", CreatedAt: at}
	photo = parley.Attachment{ID: 101, Message: 7, Kind: parley.FilePhoto, Name: "image.jpg", Type: "image/jpeg", Size: 102400, Width: 1500, Height: 1000,
		URL: "https://x/files/101-t.jpg", State: parley.AttachmentReady}
	voice = parley.Attachment{ID: 102, Message: 7, Kind: parley.FileVoice, Type: "audio/ogg", URL: "https://x/files/102-t.ogg", State: parley.AttachmentPending}
)

const (
	photoJSON = `{"id":101,"external_id":101,"file_name":"image.jpg","mime_type":"image/jpeg","size":102400,"attachment_url":"https://x/files/101-t.jpg",` +
		`"preview_url":"https://x/files/101-t.jpg","aspect_ratio":1.5,"push_to_talk":false}`
	voiceJSON = `{"id":102,"external_id":102,"file_name":"voice.ogg","mime_type":"audio/ogg","size":null,"attachment_url":"https://x/files/102-t.ogg",` +
		`"preview_url":null,"aspect_ratio":null,"push_to_talk":true,"state":"pending"}`
)

func object(a parley.Attachment) []byte {
	o := jsonout.New(8)
	render.Attachment(o, &a)
	return o.End()
}

// TestAttachment: the object of the contract, and what becomes of the unknown.
func TestAttachment(t *testing.T) {
	t.Parallel()
	failed, half, third := photo, photo, photo
	failed.State, failed.Kind, failed.URL, failed.Name = parley.AttachmentFailed, parley.FileDocument, "", `a "b"`
	half.Height = 0
	third.Width, third.Height = 1000, 3000
	compare(t, []golden{
		{"photo", object(photo), photoJSON},
		{"voice that is under way", object(voice), voiceJSON},
		{"nothing is known", object(parley.Attachment{ID: 5, Kind: parley.FileDocument}),
			`{"id":5,"external_id":5,"file_name":"document","mime_type":"application/octet-stream","size":null,"attachment_url":null,"preview_url":null,"aspect_ratio":null,"push_to_talk":false}`},
		{"failed document", object(failed),
			`{"id":101,"external_id":101,"file_name":"a \"b\"","mime_type":"image/jpeg","size":102400,"attachment_url":null,"preview_url":null,"aspect_ratio":1.5,"push_to_talk":false,"state":"failed"}`},
		{"no height", object(half),
			`{"id":101,"external_id":101,"file_name":"image.jpg","mime_type":"image/jpeg","size":102400,"attachment_url":"https://x/files/101-t.jpg",` +
				`"preview_url":"https://x/files/101-t.jpg","aspect_ratio":null,"push_to_talk":false}`},
		{"rounded", object(third),
			`{"id":101,"external_id":101,"file_name":"image.jpg","mime_type":"image/jpeg","size":102400,"attachment_url":"https://x/files/101-t.jpg",` +
				`"preview_url":"https://x/files/101-t.jpg","aspect_ratio":0.333,"push_to_talk":false}`},
	})
}

// TestFiles: bodies of messages with files, and of what became of a file.
func TestFiles(t *testing.T) {
	t.Parallel()
	failed := voice
	failed.State, failed.Reason = parley.AttachmentFailed, "too large"
	compare(t, []golden{
		{"message/new", render.MessageNew(conv, &parley.Message{ID: 7, Text: "t", Income: true, Ack: 1, CreatedAt: when, Files: []parley.Attachment{photo, voice}, Payload: "p"}),
			`{"type":"message","event":"new","data":{"external_id":7,"external_public_id":"79250000001","channel_id":2,"channel_type":"whatsapp","channel":{"id":2,"type":"whatsapp"},` +
				`"conversation_id":1,"message":"t","location":{},"income":true,"created_at":"2017-11-11 12:45:53 UTC","created_at_timestamp":1510404353,"ack":1,"attachments":[` +
				photoJSON + `,` + voiceJSON + `],"payload":"p"}}`},
		{"message/update", render.MessageChanged("update", conv, &parley.Message{ID: 7, EditedAt: when, Location: &parley.Location{Latitude: 1, Longitude: 2}, Files: []parley.Attachment{photo}}),
			`{"type":"message","event":"update","data":{"external_id":7,"channel":{"id":2,"type":"whatsapp"},"conversation_id":1,"message":"",` +
				`"location":{"latitude":1,"longitude":2},"attachments":[` + photoJSON + `],"edited_at_timestamp":1510404353}}`},
		{"message/delete shows nothing", render.MessageChanged("delete", conv, &parley.Message{ID: 7, Text: "t", DeletedAt: when, Location: &parley.Location{}, Files: []parley.Attachment{photo}}),
			`{"type":"message","event":"delete","data":{"external_id":7,"channel":{"id":2,"type":"whatsapp"},"conversation_id":1,"deleted_at_timestamp":1510404353}}`},
		{"attachment/ready", render.AttachmentEvent("ready", conv, &photo),
			`{"type":"attachment","event":"ready","data":{"external_id":101,"message_id":7,"conversation_id":1,"channel":{"id":2,"type":"whatsapp"},"attachment":` + photoJSON + `}}`},
		{"attachment/failed", render.AttachmentEvent("failed", conv, &failed),
			`{"type":"attachment","event":"failed","data":{"external_id":102,"message_id":7,"conversation_id":1,"channel":{"id":2,"type":"whatsapp"},` +
				`"attachment":{"id":102,"external_id":102,"file_name":"voice.ogg","mime_type":"audio/ogg","size":null,"attachment_url":"https://x/files/102-t.ogg",` +
				`"preview_url":null,"aspect_ratio":null,"push_to_talk":true,"state":"failed"},"reason":"too large"}}`},
	})
}

// TestGroups compares the bodies about groups with what the contract prints.
func TestGroups(t *testing.T) {
	t.Parallel()
	seen := *group
	seen.AvatarURL, seen.LastMessage, seen.LastIncome = "https://x/y.png", at, at.Add(-time.Second)
	compare(t, []golden{
		{"group_conversation/new", render.GroupConversation("new", group),
			`{"type":"group_conversation","event":"new","data":{"name":"Group name","avatar_url":null,"channel_id":2,"created_at":"2023-04-28T12:34:01.937Z","external_id":1,` +
				`"channel_type":"whatsapp","last_message_at":null,"sender_external_id":"120363148147828952","created_at_timestamp":1682685241,"last_income_message_at":null}}`},
		{"group_conversation/update", render.GroupConversation("update", &seen),
			`{"type":"group_conversation","event":"update","data":{"name":"Group name","avatar_url":"https://x/y.png","channel_id":2,"created_at":"2023-04-28T12:34:01.937Z","external_id":1,` +
				`"channel_type":"whatsapp","last_message_at":1682685241,"sender_external_id":"120363148147828952","created_at_timestamp":1682685241,"last_income_message_at":1682685240}}`},
		{"group_message/new received", render.GroupMessageNew(group, &parley.Message{ID: 7, Text: "Message body", Income: true, Ack: parley.AckSent, Author: "79000000000", CreatedAt: at}),
			`{"type":"group_message","event":"new","data":{"ack":0,"income":true,"channel":{"id":2,"type":"whatsapp"},"message":"Message body","location":null,"channel_id":2,` +
				`"created_at":"2023-04-28T12:34:01.937Z","attachments":[],"external_id":7,"channel_type":"whatsapp","conversation_id":1,"external_public_id":"79000000000",` +
				`"created_at_timestamp":1682685241,"external_created_at_timestamp":1682685241}}`},
		{"group_message/new own, with everything", render.GroupMessageNew(group, &parley.Message{ID: 7, Ack: parley.AckSent, Job: 3, CreatedAt: at, Files: []parley.Attachment{photo},
			Location: &parley.Location{Latitude: 52.1, Longitude: -4, Name: "N", Address: "A"}, ReplyTo: 6, Forwarded: true}),
			`{"type":"group_message","event":"new","data":{"ack":1,"income":false,"channel":{"id":2,"type":"whatsapp"},"message":"",` +
				`"location":{"latitude":52.1,"longitude":-4,"name":"N","address":"A"},"channel_id":2,"created_at":"2023-04-28T12:34:01.937Z","attachments":[` + photoJSON + `],` +
				`"external_id":7,"channel_type":"whatsapp","conversation_id":1,"external_public_id":null,"created_at_timestamp":1682685241,` +
				`"external_created_at_timestamp":1682685241,"job_id":3,"reply_to_id":6,"forwarded":true}}`},
		{"group_message/ack", render.GroupMessageAck(group, 7, parley.AckRead, "79000000000", at),
			`{"type":"group_message","event":"ack","data":{"channel":{"id":2,"type":"whatsapp"},"timestamp":1682685241,"external_id":7,"participant":"79000000000",` +
				`"conversation_id":1,"external_public_id":null,"ack":3}}`},
		{"group_message/ack of nobody in particular", render.GroupMessageAck(group, 7, parley.AckSent, "", at),
			`{"type":"group_message","event":"ack","data":{"channel":{"id":2,"type":"whatsapp"},"timestamp":1682685241,"external_id":7,"participant":null,` +
				`"conversation_id":1,"external_public_id":null,"ack":1}}`},
		{"group_conversation_contact/new", render.GroupMember(group, "79000000000", at),
			`{"type":"group_conversation_contact","event":"new","data":{"contact":{"external_public_id":"79000000000"},"channel_id":2,"channel_type":"whatsapp",` +
				`"date_timestamp":1682685241,"conversation_id":1}}`},
	})
}
