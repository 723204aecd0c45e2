package render

import (
	"math"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
)

// unknownType is what a file is said to be while nobody knows better, so that
// clients find a MIME type there in any case.
const unknownType = "application/octet-stream"

// Attachments writes the key attachments with a message's files, in their order.
func Attachments(o *jsonout.Object, files []parley.Attachment) {
	if len(files) == 0 {
		o.Raw("attachments", "[]")
		return
	}
	o.Key("attachments")
	o.Array(len(files), func(i int) {
		o.Open()
		Attachment(o, &files[i])
		o.Close()
	})
}

// Attachment writes the keys of a file into an object that the caller opens and
// closes. A file whose bytes are not here says so with an additional key, state.
func Attachment(o *jsonout.Object, a *parley.Attachment) {
	o.Int("id", int64(a.ID))
	o.Int("external_id", int64(a.ID))
	o.Text("file_name", a.FileName())
	o.Text("mime_type", mimeType(a))
	o.IntOrNull("size", a.Size, a.Size > 0)
	o.TextOrNull("attachment_url", a.URL)
	o.TextOrNull("preview_url", preview(a))
	aspect(o, a)
	o.Bool("push_to_talk", a.Voice())
	if a.State == parley.AttachmentPending || a.State == parley.AttachmentFailed {
		o.Text("state", string(a.State))
	}
}

func mimeType(a *parley.Attachment) string {
	if strings.TrimSpace(a.Type) == "" {
		return unknownType
	}
	return a.Type
}

// preview returns the address of a picture of the file: photos are their own, and
// of other files no picture is made.
func preview(a *parley.Attachment) string {
	if a.Kind == parley.FilePhoto {
		return a.URL
	}
	return ""
}

// aspect writes width by height in thousandths, null if either is unknown.
func aspect(o *jsonout.Object, a *parley.Attachment) {
	if a.Width <= 0 || a.Height <= 0 {
		o.Raw("aspect_ratio", "null")
		return
	}
	o.Float("aspect_ratio", math.Round(float64(a.Width)/float64(a.Height)*1000)/1000)
}

// AttachmentEvent renders the extensions attachment/ready and attachment/failed
// (event "ready" or "failed"): what became of the file of a message that was
// announced before its bytes were here. A failed one says why.
func AttachmentEvent(event string, c *parley.Conversation, a *parley.Attachment) []byte {
	o := body("attachment", event)
	o.Nested("data")
	o.Int("external_id", int64(a.ID))
	o.Int("message_id", int64(a.Message))
	o.Int("conversation_id", int64(c.ID))
	o.channel(c)
	o.Nested("attachment")
	Attachment(o.Object, a)
	o.Close()
	if event == "failed" {
		o.Text("reason", a.Reason)
	}
	return o.finish()
}
