package telegram

import (
	"fmt"
	"strings"

	"github.com/parley-im/parley"
)

// What Telegram's own server takes from a bot, in bytes. Source: Bot API, sending
// files, read 2026-11.
const (
	maxPhoto  = 10 << 20
	maxUpload = 50 << 20
)

// A way is one manner of sending a file. Every one of them takes a caption; the two
// methods that do not, sendSticker and sendVideoNote, are not used. Source: Bot
// API, available methods, read 2026-11.
type way struct {
	method method
	field  string // what the file is called in the form
}

var (
	asPhoto     = way{sendPhoto, "photo"}
	asVideo     = way{sendVideo, "video"}
	asAnimation = way{sendAnimation, "animation"}
	asAudio     = way{sendAudio, "audio"}
	asVoice     = way{sendVoice, "voice"}
	asDocument  = way{sendDocument, "document"}
)

// ways maps MIME types, in their several spellings, to how Telegram shows such
// files; all others are documents. Source: Bot API, sendPhoto, sendVideo,
// sendAnimation and sendAudio, read 2026-11.
var ways = map[string]way{
	"image/jpeg": asPhoto, "image/jpg": asPhoto, "image/png": asPhoto, "image/webp": asPhoto,
	"image/gif": asAnimation, "video/mp4": asVideo,
	"audio/mpeg": asAudio, "audio/mp3": asAudio, "audio/mp4": asAudio, "audio/m4a": asAudio, "audio/x-m4a": asAudio,
}

// voices are the MIME types of OGG with Opus, MP3 and M4A. Source: Bot API,
// sendVoice, read 2026-11.
var voices = map[string]bool{
	"audio/ogg": true, "application/ogg": true, "audio/opus": true,
	"audio/mpeg": true, "audio/mp3": true, "audio/mp4": true, "audio/m4a": true, "audio/x-m4a": true,
}

// wayOf returns how to send a file. A voice message of another type than those
// goes as what its type says.
func wayOf(a *parley.Attachment) way {
	kind := strings.ToLower(a.Type)
	if a.Voice() && voices[kind] {
		return asVoice
	}
	if w, ok := ways[kind]; ok && (w != asPhoto || fitsPhoto(a)) {
		return w
	}
	return asDocument
}

// fitsPhoto reports whether a picture is within what sendPhoto takes, as far as
// its size is known: width and height of together 10000 pixels, neither more than
// 20 times the other. Source: Bot API, sendPhoto, read 2026-11.
func fitsPhoto(a *parley.Attachment) bool {
	if a.Size > maxPhoto {
		return false
	}
	w, h := a.Width, a.Height
	return w <= 0 || h <= 0 || (w+h <= 10000 && w <= 20*h && h <= 20*w)
}

// fits returns an error of KindUnsupported for a file that Telegram's own server
// surely refuses. Any other server may run in local mode, where forty times as
// much passes, so it is left to refuse by itself.
func (c *client) fits(size int64) error {
	if !c.cloud || size <= maxUpload {
		return nil
	}
	return &parley.Error{Kind: parley.KindUnsupported, Code: codeFileSize,
		Message: fmt.Sprintf("a file of %.1f MB is too large: Telegram takes at most 50 MB from a bot", float64(size)/(1<<20))}
}
