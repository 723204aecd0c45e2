package parley

import (
	"mime"
	"path"
	"strconv"
	"strings"
	"time"
)

// A FileKind is how a messenger shows a file.
type FileKind string

// The closed set of file kinds.
const (
	FilePhoto     FileKind = "photo"
	FileVideo     FileKind = "video"
	FileVideoNote FileKind = "video_note" // round, without a caption
	FileAnimation FileKind = "animation"
	FileSticker   FileKind = "sticker"
	FileAudio     FileKind = "audio"
	FileVoice     FileKind = "voice"
	FileDocument  FileKind = "document"
	FileAvatar    FileKind = "avatar" // of a contact or a group; on no message
)

// An AttachmentState says where the bytes of a file are.
type AttachmentState string

// The closed set of states. Pending moves on, once; ready ends as failed when the
// bytes have been kept long enough.
const (
	// AttachmentPending: the bytes are still at the provider. The fetcher moves it
	// on when it has them, or when they cannot be had.
	AttachmentPending AttachmentState = "pending"
	AttachmentReady   AttachmentState = "ready"
	AttachmentFailed  AttachmentState = "failed"
)

// CanBecome reports whether an attachment may move from one state to another.
func (s AttachmentState) CanBecome(next AttachmentState) bool {
	return s == AttachmentPending && (next == AttachmentReady || next == AttachmentFailed) ||
		s == AttachmentReady && next == AttachmentFailed
}

// ReasonFileDeleted is why a file has failed whose bytes we had.
const ReasonFileDeleted = "deleted: it was kept long enough"

// An Attachment is a file on a message, one uploaded to be sent, or the picture
// of a contact. Its bytes are a blob.
type Attachment struct {
	ID           AttachmentID
	Company      CompanyID
	Channel      ChannelID
	Conversation ConversationID
	Message      MessageID // that brought it; 0 if it was uploaded, or is an avatar
	Kind         FileKind
	Name         string // the last element of a file name; empty if nobody gave it one
	Type         string // MIME type, without parameters; empty if unknown
	Size         int64  // in bytes; 0 if unknown
	Width        int    // in pixels; 0 if unknown
	Height       int
	External     string // the provider's id, by which an edit is known to have the same file; empty for uploads
	Source       string // what the connector fetches it by; nobody else reads it, and it is never shown
	Blob         string // the key of the bytes; empty until it is ready
	SHA256       string // of the bytes, in hexadecimal; empty until it is ready
	Token        string // what makes the address unguessable
	URL          string // absolute; empty while nobody knows the base
	State        AttachmentState
	Reason       string // why it failed
	Attempt      int    // fetches that failed
	NextAt       time.Time
	CreatedAt    time.Time
}

// Path returns the path of the address that the bytes are served at.
func (a *Attachment) Path() string {
	return "/files/" + strconv.FormatInt(int64(a.ID), 10) + "-" + a.Token + a.ext()
}

// ParseFilePath reads the id and the token out of what follows /files/ in a path.
// The extension is for people and programs that look at it; it says nothing.
func ParseFilePath(name string) (id AttachmentID, token string, ok bool) {
	if i := strings.IndexByte(name, '.'); i >= 0 {
		name = name[:i]
	}
	number, token, _ := strings.Cut(name, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	return AttachmentID(n), token, err == nil && n > 0 && token != ""
}

// extensions of the types that messengers use, where the system's table may know
// none or several.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp",
	"video/mp4": ".mp4", "video/webm": ".webm", "audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/mp4": ".m4a",
	"application/pdf": ".pdf", "application/x-tgsticker": ".tgs", "text/plain": ".txt", "application/zip": ".zip",
}

// ext returns a harmless file name extension with its dot, or nothing.
func (a *Attachment) ext() string {
	ext := strings.ToLower(path.Ext(a.Name))
	if ext == "" {
		ext = extensions[a.Type]
	}
	if len(ext) < 2 || len(ext) > 8 || strings.Trim(ext[1:], "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return ext
}

// Voice reports whether the file is a voice message, which clients play in place.
func (a *Attachment) Voice() bool { return a.Kind == FileVoice }

// FileName returns the name to show: its own, or one made of kind and type.
func (a *Attachment) FileName() string {
	if a.Name != "" {
		return a.Name
	}
	return string(a.Kind) + a.ext()
}

// KindOfType returns how a messenger would show a file of the MIME type: a photo,
// a video, audio, or else a document.
func KindOfType(mimeType string) FileKind {
	base, _, err := mime.ParseMediaType(mimeType)
	if err != nil {
		return FileDocument
	}
	switch {
	case base == "image/jpeg", base == "image/png", base == "image/webp":
		return FilePhoto
	case base == "image/gif":
		return FileAnimation
	case strings.HasPrefix(base, "video/"):
		return FileVideo
	case strings.HasPrefix(base, "audio/"):
		return FileAudio
	}
	return FileDocument
}
