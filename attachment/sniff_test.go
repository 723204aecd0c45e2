package attachment

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
)

// The beginnings of files.
const (
	headJPEG = "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"
	headPNG  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	headWebP = "RIFF\x24\x00\x00\x00WEBPVP8 "
	headHTML = "<!DOCTYPE html><html><script>alert(1)</script></html>"
	headSVG  = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	headMP4  = "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
	headOGG  = "OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x13OpusHead"
	headPDF  = "%PDF-1.7\n"
	headZIP  = "PK\x03\x04\x14\x00\x00\x00\x08\x00"
	headGZIP = "\x1f\x8b\x08\x00\x00\x00\x00\x00"
	headNone = "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00"
)

func TestTypeOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ told, head, want string }{
		{"image/jpeg", headJPEG, "image/jpeg"}, {"", headJPEG, "image/jpeg"}, {"application/octet-stream", headJPEG, "image/jpeg"},
		{"IMAGE/JPEG; q=1", headJPEG, "image/jpeg"}, {"image/jpg", headJPEG, "image/jpeg"}, {"nonsense", headJPEG, "image/jpeg"}, {"a/b/c", headPNG, "image/png"},
		{"image/jpeg", headHTML, "text/html"}, {"image/jpeg", headSVG, "image/svg+xml"}, {"image/png", headJPEG, "image/jpeg"}, {"image/jpeg", headWebP, "image/webp"},
		{"application/pdf", headHTML, "text/html"}, {"application/pdf", headZIP, "application/zip"}, {"application/pdf", "plain words", "text/plain"},
		{"image/jpeg", "plain words", "text/plain"}, {"video/mp4", headHTML, "text/html"}, {"audio/ogg", headHTML, "text/html"},
		{"text/plain", headHTML, "text/plain"}, {"text/html", headHTML, "text/html"}, {"text/html", "plain words", "text/html"},
		{"text/csv", "a,b\n", "text/csv"}, {"application/json", "plain words", "application/json"},
		{"audio/ogg", headOGG, "audio/ogg"}, {"audio/ogg; codecs=opus", headOGG, "audio/ogg"}, {"audio/mp4", headMP4, "audio/mp4"}, {"video/quicktime", headMP4, "video/quicktime"},
		{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", headZIP, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{"application/vnd.android.package-archive", headZIP, "application/vnd.android.package-archive"}, {"image/png", headZIP, "application/zip"},
		{"application/x-tgsticker", headGZIP, "application/x-tgsticker"}, {"text/plain", headGZIP, "application/gzip"},
		{"image/heic", headNone, "image/heic"}, {"", headNone, "application/octet-stream"}, {"", headPDF, "application/pdf"},
		{"image/png", "", "image/png"}, {"", "", "text/plain"},
	} {
		if got := typeOf(tt.told, []byte(tt.head)); got != tt.want {
			t.Errorf("told %q, begins with %.12q: got %q, want %q", tt.told, tt.head, got, tt.want)
		}
	}
}

// FuzzTypeOf: what is stored is a type or nothing, and active content never gets
// the name of a type that is shown in place.
func FuzzTypeOf(f *testing.F) {
	for _, head := range []string{headJPEG, headPNG, headHTML, headSVG, headMP4, headOGG, headPDF, headZIP, headGZIP, headNone, ""} {
		f.Add("image/jpeg", []byte(head))
		f.Add("x/y; z", []byte(head))
	}
	f.Fuzz(func(t *testing.T, told string, head []byte) {
		got := typeOf(told, head)
		if got != "" && got != baseType(got) {
			t.Errorf("%q is not plain", got)
		}
		if seen := typeOf("", head); seen == "text/html" || seen == "image/svg+xml" {
			if _, inPlace := shown[got]; inPlace && got != typeText {
				t.Errorf("%s told as %q became %q", seen, told, got)
			}
		}
		dimensions(head)
	})
}

func picture(t *testing.T, encode func(io.Writer, image.Image) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, image.NewPaletted(image.Rect(0, 0, 40, 30), color.Palette{color.Black, color.White})); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func encodeJPEG(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }
func encodeGIF(w io.Writer, m image.Image) error  { return gif.Encode(w, m, nil) }

// farJPEG is a picture whose size comes after n bytes of notes.
func farJPEG(t *testing.T, n int) string {
	t.Helper()
	note := "\xff\xe1\xff\xff" + strings.Repeat("n", 0xfffd)
	plain := picture(t, encodeJPEG)
	return plain[:2] + strings.Repeat(note, n/len(note)) + plain[2:]
}

func TestDimensions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bytes         string
		width, height int
	}{
		"png": {picture(t, png.Encode), 40, 30}, "jpeg": {picture(t, encodeJPEG), 40, 30}, "gif": {picture(t, encodeGIF), 40, 30},
		"far": {farJPEG(t, 200<<10), 40, 30}, "too far": {farJPEG(t, 300<<10), 0, 0}, "cut": {headPNG, 0, 0}, "text": {"hello", 0, 0},
	} {
		src := &source{r: strings.NewReader(tt.bytes), max: 1 << 20, keep: wanted}
		if _, err := io.Copy(io.Discard, src); err != nil {
			t.Fatal(err)
		}
		if w, h := dimensions(src.head); w != tt.width || h != tt.height || len(src.head) > pictured {
			t.Errorf("%s: %d x %d of %d bytes, want %d x %d", name, w, h, len(src.head), tt.width, tt.height)
		}
	}
	src := &source{r: io.LimitReader(zeros{}, 1<<20), max: 1 << 20, keep: wanted}
	if _, _ = io.Copy(io.Discard, src); len(src.head) != sniffed {
		t.Errorf("%d bytes kept of what is no picture", len(src.head))
	}
}

func TestSizeText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{64 << 20: "64 MiB", 1 << 20: "1 MiB", 1536 << 10: "1536 KiB", 1024: "1 KiB", 1000: "1000 bytes", 0: "0 bytes"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
