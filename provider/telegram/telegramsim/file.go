package telegramsim

import (
	"container/list"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"mime"
	"path"
	"regexp"
	"strings"
	"sync"
)

// A fileKind is a kind of content that is a file.
type fileKind struct {
	name   string // as in a message
	folder string // of file_path
	prefix string // of file_id
	ext    string // of file_path, if neither name nor type say better
	mime   string // of what people send, if nothing is said; "" where messages carry none
}

// Folders and prefixes are those that clients see; they are not documented.
var fileKinds = map[string]fileKind{
	"photo":      {"photo", "photos", "AgAC", ".jpg", ""},
	"document":   {"document", "documents", "BQAC", "", "application/octet-stream"},
	"voice":      {"voice", "voice", "AwAC", ".oga", "audio/ogg"},
	"audio":      {"audio", "music", "CQAC", ".mp3", "audio/mpeg"},
	"video":      {"video", "videos", "BAAC", ".mp4", "video/mp4"},
	"video_note": {"video_note", "video_notes", "DQAC", ".mp4", ""},
	"animation":  {"animation", "animations", "CgAC", ".mp4", "video/mp4"},
	"sticker":    {"sticker", "stickers", "CAAC", ".webp", ""},
	"thumbnail":  {"thumbnail", "thumbnails", "AAMC", ".jpg", ""},
}

// A stored file is one bot's file. It is immutable; equal files of one bot are
// one stored file.
type stored struct {
	id     string // file_id, for this bot only
	unique string // file_unique_id, the same for all bots
	path   string // file_path, below the bot's folder
	kind   string // a key of fileKinds
	name   string // file name as it was given, "" if none
	mime   string // as it was given, "" if not
	size   int64  // what is said of the size, in bytes; may differ from len(data) on purpose
	data   []byte // shared; never changed
	traits traits // as it was first shown; what is sent by file_id shows them again

	bot int64
	sum [sha256.Size]byte
	at  *list.Element
}

// ref is what messages tell of the file.
func (f *stored) ref() fileRef { return fileRef{ID: f.id, Unique: f.unique, Size: f.size} }

// fileKey finds equal files of a bot.
type fileKey struct {
	bot              int64
	kind, name, mime string
	size             int64
	sum              [sha256.Size]byte
}

func (f *stored) key() fileKey { return fileKey{f.bot, f.kind, f.name, f.mime, f.size, f.sum} }

type pathKey struct {
	bot  int64
	path string
}

// A blob is what equal files share.
type blob struct {
	data []byte
	refs int
}

// overhead is what a file costs beside its bytes, roughly.
const overhead = 512

// files holds all bots' files up to limit bytes; beyond it those used longest
// ago are forgotten. It is safe for concurrent use and may be called with any
// lock held.
type files struct {
	limit int64

	mu     sync.Mutex
	used   int64
	last   int64 // number of the newest file
	byID   map[string]*stored
	byKey  map[fileKey]*stored
	byPath map[pathKey]*stored
	blobs  map[[sha256.Size]byte]*blob
	order  *list.List // of *stored, used last in front
	away   int        // getFile calls still refused; -1 until reset
}

func newFiles(limit int64) *files {
	f := &files{limit: limit}
	f.reset()
	return f
}

func (fs *files) reset() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.used, fs.last, fs.away = 0, 0, 0
	fs.byID, fs.byKey = make(map[string]*stored), make(map[fileKey]*stored)
	fs.byPath, fs.blobs = make(map[pathKey]*stored), make(map[[sha256.Size]byte]*blob)
	fs.order = list.New()
}

// keep stores a file of the bot: kind is a key of fileKinds, name and mime are
// as the sender gave them, "" if not. data must not be changed afterwards.
func (b *bot) keep(kind, name, mime string, data []byte) *stored {
	return b.s.files.keep(stored{kind: kind, name: name, mime: mime, data: data, size: int64(len(data)), bot: b.user.ID})
}

// file finds a file of the bot by file_id, nil if there is none.
func (b *bot) file(id string) *stored {
	f := b.s.files.find(id)
	if f == nil || f.bot != b.user.ID {
		return nil
	}
	return f
}

// keep completes f and stores it, or returns its equal.
func (fs *files) keep(f stored) *stored {
	f.sum = sha256.Sum256(f.data)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if old := fs.byKey[f.key()]; old != nil {
		fs.order.MoveToFront(old.at)
		return old
	}
	fs.last++
	f.label(fs.last)
	f.data = fs.share(f.sum, f.data)
	f.at = fs.order.PushFront(&f)
	fs.byID[f.id], fs.byKey[f.key()], fs.byPath[pathKey{f.bot, f.path}] = &f, &f, &f
	fs.used += overhead
	for fs.used > fs.limit && fs.order.Len() > 1 {
		fs.drop(fs.order.Back().Value.(*stored))
	}
	return &f
}

// share counts another user of these bytes and returns the copy that all share.
func (fs *files) share(sum [sha256.Size]byte, data []byte) []byte {
	same := fs.blobs[sum]
	if same == nil {
		same = &blob{data: data}
		fs.blobs[sum] = same
		fs.used += int64(len(data))
	}
	same.refs++
	return same.data
}

func (fs *files) drop(f *stored) {
	fs.order.Remove(f.at)
	delete(fs.byID, f.id)
	delete(fs.byKey, f.key())
	delete(fs.byPath, pathKey{f.bot, f.path})
	fs.used -= overhead
	same := fs.blobs[f.sum]
	if same.refs--; same.refs == 0 {
		delete(fs.blobs, f.sum)
		fs.used -= int64(len(f.data))
	}
}

func (fs *files) find(id string) *stored {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.byID[id]
}

func (fs *files) open(bot int64, path string) *stored {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.byPath[pathKey{bot, path}]
	if f != nil {
		fs.order.MoveToFront(f.at)
	}
	return f
}

// label makes the three names of the n-th file.
func (f *stored) label(n int64) {
	kind := fileKinds[f.kind]
	own := sha256.Sum256(fmt.Appendf(nil, "%d %d", f.bot, n))
	f.id = kind.prefix + base64.RawURLEncoding.EncodeToString(own[:])
	what := sha256.Sum256(append([]byte(f.kind), f.sum[:]...))
	class := binary.LittleEndian.AppendUint16(nil, uint16(len(kind.folder)))
	f.unique = "AQAD" + base64.RawURLEncoding.EncodeToString(append(class, what[:7]...))
	f.path = fmt.Sprintf("%s/file_%d%s", kind.folder, n, f.ext(kind))
}

var plainExt = regexp.MustCompile(`^\.[A-Za-z0-9]{1,8}$`)

// ext is the ending of file_path: that of the file's name, or else one for its type.
func (f *stored) ext(kind fileKind) string {
	if e := path.Ext(f.name); plainExt.MatchString(e) {
		return strings.ToLower(e)
	}
	if known := mimeExts[f.mime]; known != "" {
		return known
	}
	if kind.ext != "" {
		return kind.ext
	}
	if list, err := mime.ExtensionsByType(f.mime); err == nil && len(list) > 0 {
		return list[0]
	}
	return ""
}

// mimeExts are the endings of the types that people send most; the system's own
// list differs from machine to machine.
var mimeExts = map[string]string{
	"application/pdf": ".pdf", "application/zip": ".zip", "text/plain": ".txt", "image/jpeg": ".jpg",
	"image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "video/mp4": ".mp4", "video/webm": ".webm",
	"audio/ogg": ".oga", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "application/x-tgsticker": ".tgs",
}

// idShape is what every file_id looks like.
var idShape = regexp.MustCompile(`^[A-Za-z0-9_-]{20,200}$`)

var (
	errNoFileID   = badRequest("file_id not specified")
	errInvalidID  = badRequest("invalid file_id")
	errFileAway   = badRequest("wrong file_id or the file is temporarily unavailable")
	errFileTooBig = badRequest("file is too big")
)

// maxDownload is the largest file that a bot can download from the cloud server.
// Source: Bot API, getFile, read 2026-11.
const maxDownload = 20 << 20

// getFile. Source: Bot API, getFile, read 2026-11; the refusals from tdlib/telegram-bot-api.
func (c *call) getFile() (any, error) {
	id := c.params.Get("file_id")
	switch {
	case id == "":
		return nil, errNoFileID
	case !idShape.MatchString(id):
		return nil, errInvalidID
	}
	f := c.bot.file(id)
	if f == nil || c.files.refused() {
		return nil, errFileAway
	}
	if c.opts.Local {
		return fileInfo{f.ref(), localRoot + c.bot.secret() + "/" + f.path}, nil
	}
	if f.size > maxDownload {
		return nil, errFileTooBig
	}
	return fileInfo{f.ref(), f.path}, nil
}

// localRoot is where a self-hosted server in local mode says its files are.
const localRoot = "/var/lib/telegram-bot-api/"

func (b *bot) secret() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.token
}

// refused counts a refusal that a test asked for.
func (fs *files) refused() bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.away > 0 {
		fs.away--
		return true
	}
	return fs.away < 0
}

// Unavailable makes the next n calls of getFile answer that the file is
// temporarily unavailable; -1 means all until Reset or the next Unavailable.
func (s *Server) Unavailable(n int) error {
	if n < -1 {
		return refuse("times must be a number of calls, or -1 for all")
	}
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	s.files.away = n
	return nil
}
