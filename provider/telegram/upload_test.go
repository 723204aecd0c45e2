package telegram

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

var (
	taken = step{status: 200, body: `{"ok":true,"result":` + sentResult + `}`}
	at91  = connector.Sent{ProviderID: "91", Ack: parley.AckSent, At: time.Date(2024, 6, 10, 6, 18, 20, 0, time.UTC)}
)

func TestUpload(t *testing.T) {
	t.Parallel()
	reply := filePart(parley.Attachment{Kind: parley.FileDocument, Name: "a.pdf", Type: "application/pdf"}, "look\n\"here\"")
	reply.Message.ReplyToID = "80"
	chat := map[string]string{"chat_id": "5550001"}
	tests := []struct {
		name string
		part connector.Part
		want uploaded
	}{
		{"photo", filePart(parley.Attachment{Kind: parley.FilePhoto, Type: "image/jpeg"}, ""),
			uploaded{"sendPhoto", chat, "photo", "photo.jpg", "image/jpeg", "bytes"}},
		{"video", filePart(parley.Attachment{Kind: parley.FileVideo, Name: "v.mp4", Type: "video/mp4"}, ""),
			uploaded{"sendVideo", chat, "video", "v.mp4", "video/mp4", "bytes"}},
		{"animation", filePart(parley.Attachment{Kind: parley.FileAnimation, Type: "image/gif"}, ""),
			uploaded{"sendAnimation", chat, "animation", "animation.gif", "image/gif", "bytes"}},
		{"audio", filePart(parley.Attachment{Kind: parley.FileAudio, Name: "song.mp3", Type: "audio/mpeg"}, ""),
			uploaded{"sendAudio", chat, "audio", "song.mp3", "audio/mpeg", "bytes"}},
		{"voice", filePart(parley.Attachment{Kind: parley.FileVoice, Type: "audio/ogg"}, "hear"),
			uploaded{"sendVoice", map[string]string{"chat_id": "5550001", "caption": "hear"}, "voice", "voice.ogg", "audio/ogg", "bytes"}},
		{"odd", filePart(parley.Attachment{Name: "a\"\r\nb"}, ""),
			uploaded{"sendDocument", chat, "document", "a___b", "application/octet-stream", "bytes"}},
		{"document with caption and reply", reply,
			uploaded{"sendDocument", map[string]string{"chat_id": "5550001", "caption": "look\n\"here\"",
				"reply_parameters": `{"message_id":80,"allow_sending_without_reply":true}`}, "document", "a.pdf", "application/pdf", "bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := &blob{text: "bytes"}
			c, s := takes(t, file, taken)
			got, err := c.Send(context.Background(), tt.part)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(at91, got); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]uploaded{tt.want}, s.got); diff != "" {
				t.Errorf("uploads (-want +got):\n%s", diff)
			}
			file.closedAll(t, 1)
		})
	}
}

// What was surely not sent is sent again in another manner, once for each reason.
func TestUploadAmends(t *testing.T) {
	t.Parallel()
	moved := step{status: 400, body: migrated}
	replyGone := refusal400("message to be replied not found")
	dimensions := refusal400("PHOTO_INVALID_DIMENSIONS")
	photo := parley.Attachment{Type: "image/png"}
	voice := parley.Attachment{Kind: parley.FileVoice, Type: "audio/ogg"}
	tests := []struct {
		name    string
		file    parley.Attachment
		answers []step
		want    []string // method, chat and whether there is a reply
		kind    parley.Kind
	}{
		{"photo invalid", photo, []step{dimensions, taken}, []string{"sendPhoto 5550001 reply", "sendDocument 5550001 reply"}, ""},
		{"photo not processed", photo, []step{refusal400("IMAGE_PROCESS_FAILED"), taken}, []string{"sendPhoto 5550001 reply", "sendDocument 5550001 reply"}, ""},
		{"photo refused by an unknown code", photo, []step{refusal400("PHOTO_EXT_INVALID"), taken}, []string{"sendPhoto 5550001 reply", "sendDocument 5550001 reply"}, ""},
		{"photo refused in lower case", photo, []step{refusal400("photo_invalid_dimensions"), taken}, []string{"sendPhoto 5550001 reply", "sendDocument 5550001 reply"}, ""},
		{"photo too big", photo, []step{refusal400("file is too big"), taken}, []string{"sendPhoto 5550001 reply", "sendDocument 5550001 reply"}, ""},
		{"document refused as well", photo, []step{dimensions, dimensions}, []string{"sendPhoto 5550001 reply", "sendDocument 5550001 reply"}, parley.KindRejected},
		{"photo refused in words", photo, []step{refusal400("something new")}, []string{"sendPhoto 5550001 reply"}, parley.KindRejected},
		{"no right to write", photo, []step{refusal400("CHAT_WRITE_FORBIDDEN")}, []string{"sendPhoto 5550001 reply"}, parley.KindUnreachable},
		{"server error", photo, []step{{status: 500, body: `{"ok":false,"error_code":500,"description":"PHOTO_INVALID_DIMENSIONS"}`}}, []string{"sendPhoto 5550001 reply"}, parley.KindUnavailable},
		{"voice forbidden", voice, []step{refusal400("VOICE_MESSAGES_FORBIDDEN"), taken}, []string{"sendVoice 5550001 reply", "sendDocument 5550001 reply"}, ""},
		{"voice refused", voice, []step{refusal400("MEDIA_INVALID")}, []string{"sendVoice 5550001 reply"}, parley.KindRejected},
		{"video refused", parley.Attachment{Type: "video/mp4"}, []step{refusal400("MEDIA_INVALID")}, []string{"sendVideo 5550001 reply"}, parley.KindRejected},
		{"moved", photo, []step{moved, taken}, []string{"sendPhoto 5550001 reply", "sendPhoto -1001234567890 reply"}, ""},
		{"moved for ever", photo, []step{moved}, []string{"sendPhoto 5550001 reply", "sendPhoto -1001234567890 reply"}, parley.KindUnreachable},
		{"parent gone", photo, []step{replyGone, taken}, []string{"sendPhoto 5550001 reply", "sendPhoto 5550001"}, ""},
		{"all at once", photo, []step{moved, dimensions, replyGone, taken}, []string{"sendPhoto 5550001 reply", "sendPhoto -1001234567890 reply",
			"sendDocument -1001234567890 reply", "sendDocument -1001234567890"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := &blob{text: "bytes"}
			c, s := takes(t, file, tt.answers...)
			p := filePart(tt.file, "look")
			p.Message.ReplyToID = "80"
			_, err := c.Send(context.Background(), p)
			if parley.KindOf(err) != tt.kind {
				t.Errorf("got %v, want kind %q", err, tt.kind)
			}
			var got []string
			for _, up := range s.got {
				line := up.Method + " " + up.Fields["chat_id"]
				if up.Fields["reply_parameters"] != "" {
					line += " reply"
				}
				if up.Bytes != "bytes" || up.Fields["caption"] != "look" {
					t.Errorf("upload %s has bytes %q and caption %q", line, up.Bytes, up.Fields["caption"])
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("uploads (-want +got):\n%s", diff)
			}
			file.closedAll(t, len(tt.want))
		})
	}
}

func TestUploadMoved(t *testing.T) {
	t.Parallel()
	c, _ := takes(t, &blob{text: "bytes"}, step{status: 400, body: migrated}, taken)
	got, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
	want := at91
	want.Chat = "-1001234567890"
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, sent (-want +got):\n%s", err, diff)
	}
}

// Every refusal means the same for a file as for a text.
func TestUploadRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range refusals {
		t.Run(tt.description, func(t *testing.T) {
			t.Parallel()
			c := open(t, connector.Env{Files: &blob{text: "bytes"}, HTTP: refusing(tt.status, tt.description)})
			_, err := c.Send(context.Background(), filePart(parley.Attachment{}, "look"))
			checkError(t, err, tt.kind, tt.code)
		})
	}
}
