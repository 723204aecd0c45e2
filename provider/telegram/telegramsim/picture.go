package telegramsim

import (
	"bytes"
	"image"
	_ "image/gif" // formats that Telegram takes for a photo
	"image/jpeg"
	_ "image/png"
)

// boxes are the sides of the squares into which smaller sizes of a photo fit.
// Source: core.telegram.org/api/files, image thumbnail types s, m, x, y, read 2026-11.
var boxes = []int{100, 320, 800, 1280}

// maxPixels bounds the pictures that are decoded, in pixels.
const maxPixels = 25_000_000

// A picture is one size of a photo.
type picture struct {
	data          []byte
	width, height int // pixels
}

// dimensions of a picture in pixels; false if the bytes are no JPEG, PNG or GIF.
func dimensions(data []byte) (width, height int, ok bool) {
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err == nil && c.Width > 0 && c.Height > 0
}

// scale makes the sizes of a photo, ascending; the largest has the very bytes
// that were given. It reports false if they are no whole picture.
func scale(data []byte) ([]picture, bool) {
	w, h, ok := dimensions(data)
	if !ok || w*h > maxPixels {
		return nil, false
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	var sizes []picture
	for _, box := range boxes {
		if box < max(w, h) {
			sizes = append(sizes, shrink(img, box))
		}
	}
	return append(sizes, picture{data, w, h}), true
}

// keepSizes stores what scale made.
func (b *bot) keepSizes(sizes []picture) []photoSize {
	var out []photoSize
	for _, p := range sizes {
		out = append(out, b.keepPicture("photo", p))
	}
	return out
}

// keepPicture stores one size as a file of kind.
func (b *bot) keepPicture(kind string, p picture) photoSize {
	return photoSize{b.keep(kind, "", "", p.data).ref(), p.width, p.height}
}

// shrink is img as a JPEG that fits into a square of side box.
func shrink(img image.Image, box int) picture {
	from := img.Bounds()
	longest := max(from.Dx(), from.Dy())
	w, h := max(from.Dx()*box/longest, 1), max(from.Dy()*box/longest, 1)
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			to.Set(x, y, img.At(from.Min.X+x*from.Dx()/w, from.Min.Y+y*from.Dy()/h))
		}
	}
	var out bytes.Buffer
	_ = jpeg.Encode(&out, to, nil) // a buffer takes everything, and the size is small
	return picture{out.Bytes(), w, h}
}
