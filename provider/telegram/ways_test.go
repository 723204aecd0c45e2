package telegram

import (
	"testing"

	"github.com/parley-im/parley"
)

func TestWayOf(t *testing.T) {
	t.Parallel()
	const voice = parley.FileVoice
	tests := []struct {
		name string
		a    parley.Attachment
		want way
	}{
		{"jpeg", parley.Attachment{Type: "image/jpeg"}, asPhoto},
		{"png", parley.Attachment{Type: "image/png"}, asPhoto},
		{"webp", parley.Attachment{Type: "image/webp"}, asPhoto},
		{"upper case", parley.Attachment{Type: "Image/JPEG"}, asPhoto},
		{"photo of 10 MB", parley.Attachment{Type: "image/jpeg", Size: 10485760}, asPhoto},
		{"photo over 10 MB", parley.Attachment{Type: "image/jpeg", Size: 10485761}, asDocument},
		{"photo of 10000 pixels", parley.Attachment{Type: "image/jpeg", Width: 9000, Height: 1000}, asPhoto},
		{"photo over 10000 pixels", parley.Attachment{Type: "image/jpeg", Width: 9000, Height: 1001}, asDocument},
		{"photo of ratio 20", parley.Attachment{Type: "image/png", Width: 2, Height: 40}, asPhoto},
		{"photo too high", parley.Attachment{Type: "image/png", Width: 2, Height: 41}, asDocument},
		{"photo too wide", parley.Attachment{Type: "image/png", Width: 41, Height: 2}, asDocument},
		{"photo of unknown height", parley.Attachment{Type: "image/png", Width: 20000}, asPhoto},
		{"photo of unknown width", parley.Attachment{Type: "image/png", Height: 20000}, asPhoto},
		{"tiff", parley.Attachment{Type: "image/tiff"}, asDocument},
		{"svg", parley.Attachment{Type: "image/svg+xml"}, asDocument},
		{"gif", parley.Attachment{Type: "image/gif", Size: 20 << 20}, asAnimation},
		{"mp4", parley.Attachment{Type: "video/mp4", Size: 40 << 20, Width: 20000, Height: 1}, asVideo},
		{"webm", parley.Attachment{Type: "video/webm"}, asDocument},
		{"mp3", parley.Attachment{Type: "audio/mpeg"}, asAudio},
		{"m4a", parley.Attachment{Type: "audio/mp4"}, asAudio},
		{"ogg", parley.Attachment{Type: "audio/ogg"}, asDocument},
		{"pdf", parley.Attachment{Type: "application/pdf"}, asDocument},
		{"unknown", parley.Attachment{}, asDocument},
		{"voice ogg", parley.Attachment{Kind: voice, Type: "audio/ogg"}, asVoice},
		{"voice mp3", parley.Attachment{Kind: voice, Type: "audio/mpeg"}, asVoice},
		{"voice m4a", parley.Attachment{Kind: voice, Type: "audio/mp4"}, asVoice},
		{"voice wav", parley.Attachment{Kind: voice, Type: "audio/wav"}, asDocument},
		{"voice video", parley.Attachment{Kind: voice, Type: "video/mp4"}, asVideo},
		{"voice unknown", parley.Attachment{Kind: voice}, asDocument},
		{"sticker", parley.Attachment{Kind: parley.FileSticker, Type: "image/webp"}, asPhoto},
	}
	for _, tt := range tests {
		if got := wayOf(&tt.a); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got.method.name, tt.want.method.name)
		}
	}
}
