package telegram

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// maxDownload is the largest file that getFile gives out, in bytes. A larger one
// is refused with "file is too big". Source: Bot API, getFile, read 2026-11.
const maxDownload = 20 << 20

// tooLargeToFetch is why a file of more than maxDownload has no bytes.
const tooLargeToFetch = "larger than the 20 MB that Telegram gives out to bots"

// cloudHost is Telegram's own Bot API server, whose limits are known. Source: Bot
// API, "Making requests", read 2026-11.
const cloudHost = "api.telegram.org"

// onCloud reports whether an address is that of Telegram's own server. Any other
// may run in local mode and have no limits, which nothing tells beforehand: its
// own refusal does.
func onCloud(base string) bool {
	u, err := url.Parse(base)
	return err == nil && strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), cloudHost)
}

// files returns the file of a message, of which there is at most one. What came
// without an id cannot be had and is no file. A GIF comes also as a document, so
// it is looked for before that. Source: Bot API, Message, read 2026-11.
func (c *contents) files(cloud bool) []connector.File {
	for _, candidate := range [...]struct {
		kind      parley.FileKind
		media     *media
		otherwise string // MIME type, where there is but one
	}{
		{parley.FileAnimation, c.Animation, ""},
		{parley.FilePhoto, largest(c.Photo), "image/jpeg"},
		{parley.FileVideo, c.Video, ""},
		{parley.FileVideoNote, c.VideoNote, "video/mp4"},
		{parley.FileVoice, c.Voice, "audio/ogg"},
		{parley.FileAudio, c.Audio, ""},
		{parley.FileDocument, c.Document, ""},
		{parley.FileSticker, c.Sticker, c.Sticker.stickerType()},
	} {
		if m := candidate.media; m != nil && m.FileID != "" {
			return []connector.File{m.file(candidate.kind, candidate.otherwise, cloud)}
		}
	}
	return nil
}

func (m *media) file(kind parley.FileKind, otherwise string, cloud bool) connector.File {
	f := connector.File{
		Kind: kind, ID: cmp.Or(m.UniqueID, m.FileID), Source: m.FileID,
		Name: m.Name, Type: cmp.Or(m.Type, otherwise), Size: max(m.Size, 0),
		Width: max(cmp.Or(m.Width, m.Length), 0), Height: max(cmp.Or(m.Height, m.Length), 0),
	}
	if cloud && f.Size > maxDownload {
		f.Refused = tooLargeToFetch
	}
	return f
}

// largest returns the largest size of a picture that can be had, nil if none can.
// They come in ascending order, but nothing promises it. Source: Bot API,
// PhotoSize, read 2026-11.
func largest(sizes []media) *media {
	var best *media
	for i := range sizes {
		m := &sizes[i]
		if m.FileID != "" && (best == nil || compareSize(m, best) >= 0) {
			best = m
		}
	}
	return best
}

func compareSize(a, b *media) int {
	return cmp.Or(cmp.Compare(a.Width, b.Width), cmp.Compare(a.Height, b.Height), cmp.Compare(a.Size, b.Size))
}

// stickerType returns the format of a sticker, which has no type of its own.
// Source: Bot API, Sticker, read 2026-11.
func (m *media) stickerType() string {
	switch {
	case m == nil:
		return ""
	case m.Animated:
		return "application/x-tgsticker" // gzipped Lottie
	case m.Video:
		return "video/webm"
	}
	return "image/webp"
}
