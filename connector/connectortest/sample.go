package connectortest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
)

// A sample is a file that the suite makes.
type sample struct {
	name, mime string
	data       []byte
}

func (s sample) sum() string {
	sum := sha256.Sum256(s.data)
	return hex.EncodeToString(sum[:])
}

// The measures of the suite's pictures, in pixels: small enough for every network
// to leave them as they are.
const (
	PictureWidth  = 96
	PictureHeight = 72
)

// heads are the first bytes of each kind of file, by which formats are recognised.
var heads = map[string]string{
	"video": "\x00\x00\x00\x18ftypisom", "video_note": "\x00\x00\x00\x18ftypisom", "animation": "\x00\x00\x00\x18ftypisom",
	"audio": "ID3\x04\x00\x00", "voice": "OggS\x00\x02OpusHead", "sticker": "RIFF\x10\x27\x00\x00WEBPVP8 ", "document": "%PDF-1.7\r\n",
}

// labels are the name and the type of each kind of file.
var labels = map[string][2]string{
	"photo": {"photo.jpg", "image/jpeg"}, "video": {"video.mp4", "video/mp4"}, "video_note": {"video_note.mp4", "video/mp4"},
	"animation": {"animation.mp4", "video/mp4"}, "audio": {"audio.mp3", "audio/mpeg"}, "voice": {"voice.ogg", "audio/ogg"},
	"sticker": {"sticker.webp", "image/webp"}, "document": {"document.pdf", "application/pdf"},
}

// newSample makes a file of a kind, a different one for each number. But for
// pictures, which have to be real, it is noise behind the first bytes of the kind,
// with everything in it that a careless hand changes: NUL, line ends, quotes,
// boundaries.
func newSample(kind string, n int) sample {
	s := sample{name: labels[kind][0], mime: labels[kind][1]}
	if kind == "photo" {
		s.data = picture(n)
		return s
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(n))
	noise := make([]byte, 40_000+n)
	_, _ = rand.NewChaCha8(seed).Read(noise) // never fails
	s.data = append([]byte(heads[kind]+"\x00\r\n--\r\n\"'\\%00 \xff\xfe\r\n"), noise...)
	return s
}

// picture is a JPEG of noise.
func picture(n int) []byte {
	dice := rand.New(rand.NewPCG(uint64(n), 0))
	img := image.NewGray(image.Rect(0, 0, PictureWidth, PictureHeight))
	for i := range img.Pix {
		img.Pix[i] = color.Gray{Y: uint8(dice.Uint32())}.Y
	}
	var out bytes.Buffer
	_ = jpeg.Encode(&out, img, nil) // a buffer takes everything, and the size is small
	return out.Bytes()
}
