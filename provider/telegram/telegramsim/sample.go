package telegramsim

import (
	"embed"
	"sync"
)

// samples are small files of every kind, playable ones: a second of a test
// pattern, of a tone, or a page. They were made with ffmpeg and by hand.
//
//go:embed samples
var samples embed.FS

// A sample is what people send when they are given no file.
type sample struct {
	file   string
	name   string // "" where messages of the kind carry none
	mime   string
	traits traits
}

// stickerSamples are the three formats of stickers.
var stickerSamples = map[string]sample{
	"static":   {"sticker.webp", "", "image/webp", traits{width: 512, height: 512}},
	"animated": {"sticker.tgs", "", "application/x-tgsticker", traits{width: 512, height: 512}},
	"video":    {"sticker.webm", "", "video/webm", traits{width: 512, height: 512}},
}

var kindSamples = map[string]sample{
	"photo":      {"photo.jpg", "", "", traits{width: 640, height: 480}},
	"document":   {"document.pdf", "document.pdf", "application/pdf", traits{}},
	"voice":      {"voice.oga", "", "audio/ogg", traits{duration: 1}},
	"audio":      {"audio.mp3", "audio.mp3", "audio/mpeg", traits{duration: 1, title: "Tone", performer: "Ann"}},
	"video":      {"video.mp4", "video.mp4", "video/mp4", traits{width: 128, height: 96, duration: 1}},
	"video_note": {"video_note.mp4", "", "", traits{width: 96, height: 96, duration: 1}},
	"animation":  {"animation.mp4", "animation.mp4", "video/mp4", traits{width: 128, height: 96, duration: 1}},
}

// sampleOf is the sample of a kind; the format counts for stickers only.
func sampleOf(kind, format string) sample {
	if kind == "sticker" {
		return stickerSamples[format]
	}
	return kindSamples[kind]
}

// bytes of the sample; the caller must not change them.
func (s sample) bytes() []byte {
	data, _ := samples.ReadFile("samples/" + s.file) // the tables name only files that are embedded
	return data
}

// samplePhoto is the sample photo in its sizes, made once.
var samplePhoto = sync.OnceValue(func() []picture {
	list, _ := scale(kindSamples["photo"].bytes())
	return list
})

// sampleThumb is a small picture for whatever has one.
func sampleThumb() picture { return samplePhoto()[0] }
