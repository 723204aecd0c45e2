package telegramsim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-im/parley/simulator"
)

// A given is what a request says about one file: the parameters of a method, or
// the fields of an InputMedia.
type given struct {
	kind  string // a key of fileKinds
	file  string // file_id, URL, attach://name, or "" for the upload named as field
	field string // "" if only attach:// may name an upload
	rawText
	traits    traits
	thumbnail string // attach://name, or "" for the upload of that name
	asIs      bool   // disable_content_type_detection
}

// givenOf reads the parameters of a method that sends one file.
func (c *call) givenOf(kind string) given {
	size := func(name string) int { return int(c.clamped(name, 0, 0, 1<<31-1)) }
	p := c.params
	g := given{kind: kind, file: p.Get(kind), field: kind,
		rawText: rawText{p.Get("caption"), p.Get("parse_mode"), p.Get("caption_entities")},
		traits: traits{duration: size("duration"), width: size("width"), height: size("height"),
			title: p.Get("title"), performer: p.Get("performer"), emoji: p.Get("emoji")},
		thumbnail: p.First("thumbnail", "thumb"), asIs: p.Bool("disable_content_type_detection")}
	switch kind {
	case "video_note":
		g.traits.width = orDefault(size("length"), noteSide)
	case "sticker":
		g.traits.width, g.traits.height = stickerSide, stickerSide
	}
	return g
}

// The sides of what is square, in pixels; the first unless the request says better.
const (
	noteSide    = 240
	stickerSide = 512
)

// A piece is a file to be sent, checked and not yet kept.
type piece struct {
	kind   string // as which it arrives
	name   string
	mime   string
	data   []byte
	format string    // of a sticker
	sizes  []picture // of a photo
	stored *stored   // of a file_id, else nil
}

// missing is what a method says when its file is not there.
func missing(kind string) error {
	return badRequest("there is no " + strings.ReplaceAll(kind, "_", " ") + " in the request")
}

// piece finds the file that a request names.
func (c *call) piece(g given) (piece, error) {
	name, attached := strings.CutPrefix(g.file, "attach://")
	if !attached && g.file != "" {
		return c.remote(g)
	}
	if !attached {
		name = g.field
	}
	f, ok := c.params.File(name)
	if !ok {
		return piece{}, missing(g.kind)
	}
	return c.upload(g, f)
}

// maxUpload is the largest file that a bot can send, in bytes, and maxPhoto the
// largest photo. Source: Bot API, Sending files, read 2026-11.
const (
	maxUpload = 50 << 20
	maxPhoto  = 10 << 20
)

var errEntityTooLarge = &apiError{code: 413, text: "Request Entity Too Large"}

func (c *call) upload(g given, f simulator.File) (piece, error) {
	switch {
	case len(f.Data) == 0:
		return piece{}, badRequest("file must be non-empty")
	case len(f.Data) > maxUpload && !c.opts.Local:
		return piece{}, errEntityTooLarge
	case g.kind == "photo" && len(f.Data) > maxPhoto:
		return piece{}, badRequest("file of size " + strconv.Itoa(len(f.Data)) + " bytes is too big for a photo; the maximum size is " +
			strconv.Itoa(maxPhoto) + " bytes")
	}
	return g.arrives(f)
}

// remote is a file that the server has, or gets by itself.
func (c *call) remote(g given) (piece, error) {
	if !strings.Contains(g.file, ".") {
		return c.resend(g)
	}
	f, err := c.fetch(g.kind, g.file)
	if err != nil {
		return piece{}, err
	}
	if g.kind == "voice" && len(f.Data) > maxWebVoice {
		return piece{kind: "document", name: f.Name, mime: mimeOf(sniff(f.Data), f.Name), data: f.Data}, nil
	}
	return g.arrives(f)
}

// resend takes a file by file_id. It stays what it is, and a photo and all
// others cannot stand in for each other. Source: Bot API, Sending files, read 2026-11.
func (c *call) resend(g given) (piece, error) {
	f := c.bot.file(g.file)
	if f == nil {
		return piece{}, unknownID(g.file)
	}
	if (f.kind == "photo") != (g.kind == "photo") || f.kind == "thumbnail" {
		return piece{}, badRequest("can't use file of type " + typeName(f.kind) + " as " + typeName(g.kind))
	}
	return piece{kind: f.kind, stored: f}, nil
}

// unknownID says why a file_id names nothing.
func unknownID(id string) error {
	if _, err := base64.RawURLEncoding.DecodeString(id); err != nil {
		return badRequest("wrong remote file identifier specified: Wrong character in the string")
	}
	return errFileOrID
}

// typeName is a kind of file as refusals call it.
func typeName(kind string) string {
	if kind == "voice" {
		return "VoiceNote"
	}
	out := ""
	for word := range strings.SplitSeq(kind, "_") {
		out += strings.ToUpper(word[:1]) + word[1:]
	}
	return out
}

// formatKinds are the kinds of message a format can be. The first is what
// sendDocument makes of it when it detects the type, but never a voice note, a
// round video or a photo. Source: Bot API, Sending files and the methods' own
// sections, read 2026-11.
var formatKinds = map[string][]string{
	"gif":  {"animation"},
	"mp4":  {"video", "animation", "video_note"},
	"mp3":  {"audio", "voice"},
	"m4a":  {"audio", "voice"},
	"opus": {"audio", "voice"},
	"wave": {"audio"},
	"webp": {"sticker"},
	"tgs":  {"sticker"},
	"webm": {"document", "sticker"},
}

// stickerFormats are the formats that are no still picture.
var stickerFormats = map[string]string{"tgs": "animated", "webm": "video"}

// arrives says as what a file arrives that was given to be sent as g.kind.
func (g given) arrives(f simulator.File) (piece, error) {
	format := sniff(f.Data)
	if g.kind == "photo" {
		return g.photo(f)
	}
	p := piece{kind: g.kind, name: f.Name, data: f.Data}
	kinds := formatKinds[format]
	switch {
	case g.kind == "document" && g.asIs || len(kinds) == 0:
		p.kind = "document"
	case !slices.Contains(kinds, g.kind):
		p.kind = kinds[0]
	}
	p.mime, p.format = mimeOf(format, f.Name), stickerFormats[format]
	return p, nil
}

// maxSides and maxRatio bound a photo. Source: Bot API, sendPhoto, read 2026-11.
const (
	maxSides = 10000 // width and height together, pixels
	maxRatio = 20
)

func (g given) photo(f simulator.File) (piece, error) {
	if w, h, _ := dimensions(f.Data); w+h > maxSides || w > maxRatio*h || h > maxRatio*w {
		return piece{}, badRequest("PHOTO_INVALID_DIMENSIONS")
	}
	sizes, ok := scale(f.Data)
	if !ok {
		return piece{}, badRequest("IMAGE_PROCESS_FAILED")
	}
	return piece{kind: "photo", name: f.Name, mime: "image/jpeg", sizes: sizes}, nil
}

// formatMimes are the types of what is recognised by its bytes.
var formatMimes = map[string]string{
	"gif": "image/gif", "mp4": "video/mp4", "mp3": "audio/mpeg", "m4a": "audio/mp4", "opus": "audio/ogg",
	"webp": "image/webp", "tgs": "application/x-tgsticker", "webm": "video/webm",
}

// mimeOf is the type that the server gives a file: of what it recognises, or
// else by the ending of its name. The type that the sender claims is not looked at.
func mimeOf(format, name string) string {
	if m := formatMimes[format]; m != "" {
		return m
	}
	ending := strings.ToLower(path.Ext(name))
	for m, e := range mimeExts {
		if e == ending {
			return m
		}
	}
	return "application/octet-stream"
}

// sniff recognises a format by its bytes, "" if it is none that matters.
func sniff(data []byte) string {
	has := func(at int, magic string) bool {
		return len(data) >= at+len(magic) && string(data[at:at+len(magic)]) == magic
	}
	switch {
	case has(0, "GIF8"):
		return "gif"
	case has(0, "OggS") && bytes.Contains(data[:min(len(data), 256)], []byte("OpusHead")):
		return "opus"
	case has(0, "OggS"), has(0, "fLaC"), has(0, "RIFF") && has(8, "WAVE"):
		return "wave"
	case has(0, "RIFF") && has(8, "WEBP"):
		return "webp"
	case has(4, "ftypM4A"):
		return "m4a"
	case has(4, "ftyp"):
		return "mp4"
	case has(0, "ID3"), len(data) > 1 && data[0] == 0xff && data[1]&0xe6 == 0xe2:
		return "mp3"
	case has(0, "\x1aE\xdf\xa3"):
		return "webm"
	case has(0, "\x1f\x8b\x08"):
		return "tgs"
	}
	return ""
}

// An inputMedia is one item of an album or the new content of a message.
// Source: Bot API, InputMedia, read 2026-11.
type inputMedia struct {
	Type      string          `json:"type"`
	Media     string          `json:"media"`
	Thumbnail string          `json:"thumbnail"`
	Caption   string          `json:"caption"`
	ParseMode string          `json:"parse_mode"`
	Entities  json.RawMessage `json:"caption_entities"`
	Width     int             `json:"width"`
	Height    int             `json:"height"`
	Duration  int             `json:"duration"`
	Title     string          `json:"title"`
	Performer string          `json:"performer"`
	AsIs      bool            `json:"disable_content_type_detection"`
}

// mediaTypes are the kinds an InputMedia can be of.
var mediaTypes = []string{"photo", "video", "animation", "audio", "document"}

func (m inputMedia) given(album bool) (given, error) {
	kind := strings.ToLower(m.Type)
	switch {
	case kind == "":
		return given{}, badInputMedia(`Can't find field "type"`)
	case album && kind == "animation":
		return given{}, badInputMedia(`type "animation" can't be used in sendMediaGroup`)
	case !slices.Contains(mediaTypes, kind):
		return given{}, badInputMedia("type must be one of photo, video, animation, audio, document")
	case m.Media == "":
		return given{}, badInputMedia("media not found")
	}
	return given{kind: kind, file: m.Media, rawText: rawText{m.Caption, m.ParseMode, string(m.Entities)},
		traits:    traits{duration: m.Duration, width: m.Width, height: m.Height, title: m.Title, performer: m.Performer},
		thumbnail: m.Thumbnail, asIs: m.AsIs}, nil
}

func badInputMedia(why string) error { return badRequest("can't parse InputMedia: " + why) }

// A material is a file with its caption, ready to be put into messages.
type material struct {
	asked   given
	piece   piece
	caption styled
	thumb   *picture // nil if none
}

// material checks everything that a request says about one file.
func (c *call) material(g given) (material, error) {
	m := material{asked: g}
	var err error
	if m.piece, err = c.piece(g); err != nil {
		return m, err
	}
	if m.caption, err = g.rawText.caption(); err != nil {
		return m, err
	}
	m.thumb = c.thumbnail(g)
	return m, nil
}

// maxThumb is the largest thumbnail, in bytes. Source: Bot API, sendDocument, read 2026-11.
const maxThumb = 200 << 10

// thumbnail is the small picture that was uploaded beside a file; what is none
// is ignored, as are those of photos.
func (c *call) thumbnail(g given) *picture {
	name := strings.TrimPrefix(g.thumbnail, "attach://")
	if name == "" {
		name = "thumbnail"
	}
	f, ok := c.params.File(name)
	w, h, readable := dimensions(f.Data)
	if !ok || !readable || len(f.Data) > maxThumb || g.kind == "photo" {
		return nil
	}
	return &picture{f.Data, w, h}
}

// isAddress reports whether text is a URL that a button can open.
func isAddress(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		return strings.Contains(u.Hostname(), ".") || u.Hostname() == "localhost"
	case "tg":
		return true
	}
	return u.Scheme == "" && strings.Contains(strings.SplitN(text, "/", 2)[0], ".") // http is added
}
