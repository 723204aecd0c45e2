package telegramsim

import (
	"slices"
	"strings"
)

// A Line is what a person writes. An empty Account or Person means the only one.
type Line struct {
	Account string // id, token or username
	Person  string // id, username or name; made if unknown
	Chat    string // a group or channel by id, username or title; "": the private chat with the bot
	Text    string // the caption where there is Content
	// Content is what is sent beside text: nothing, one thing, or the two to ten
	// items of an album.
	Content   []Content
	ReplyTo   int64    // a message of the chat; 0: none
	Quote     string   // the part of that message's text that is replied to; "": all of it
	Topic     int64    // the forum topic, by the message that made it; 0: none
	Anonymous bool     // in a supergroup, in the name of the group
	Signature string   // of the author, in a channel
	Forward   *Forward // nil: the person's own words
}

// A Forward says where a message was first.
type Forward struct {
	From      string // a person by id, username or name; made if unknown
	Hidden    bool   // the person does not want to be found: only the name is told
	Chat      string // or a group or channel, by id, username or title
	MessageID int64  // of a channel post
	Signature string
	Date      int64 // unix seconds; 0 means an hour ago
}

// Content is one thing that is sent beside text. Kind decides which of the
// fields count: photo, document, voice, audio, video, video_note, animation,
// sticker, location, venue, contact, dice, poll or web_app_data.
type Content struct {
	Kind string

	Data     []byte // of a file; nil means a small sample of the kind
	Name     string // of a file; passed on as it is, whatever it holds
	Mime     string // of a file; passed on as it is, even if it lies
	Size     int64  // what is said of the size, in bytes; 0 means the truth
	Width    int    // pixels; 0 means the sample's
	Height   int
	Duration int    // seconds; 0 means the sample's
	Title    string // of audio or a venue
	Artist   string // the performer of audio
	Emoji    string // of a sticker or a dice
	Set      string // of a sticker
	Format   string // of a sticker: static, animated or video; "" means static

	Latitude, Longitude float64
	Accuracy            float64 // metres; 0: not told
	LivePeriod          int     // seconds; 0: the place is not live
	Heading             int     // degrees of a live place; 0: not told
	Address             string  // of a venue

	Phone               string
	FirstName, LastName string
	VCard               string
	Own                 bool // the person shares their own contact

	Value    int // of a dice; 0: thrown
	Question string
	Options  []string
	Payload  string // of a web app
	Button   string

	sizes []picture // of a photo, made by check
}

// Limits of an album. Source: Bot API, sendMediaGroup, read 2026-11.
const (
	minAlbum = 2
	maxAlbum = 10
)

func (l *Line) check() error {
	l.Text = strings.TrimSpace(l.Text)
	if len(l.Content) == 0 {
		return checkText(l.Text)
	}
	if units(l.Text) > maxCaption {
		return refuse("caption is longer than 1024 UTF-16 code units; people cannot send that")
	}
	l.Content = slices.Clone(l.Content) // the caller keeps theirs
	for i := range l.Content {
		if err := l.Content[i].check(); err != nil {
			return err
		}
	}
	return l.checkAlbum()
}

func checkText(text string) error {
	if text == "" {
		return refuse("text is empty; people cannot send that")
	}
	if units(text) > maxText {
		return refuse("text is longer than 4096 UTF-16 code units; a messenger would send it as several messages")
	}
	return nil
}

// albumClass says which kinds share an album: photos and videos mix, documents
// and audio stay among themselves. Source: Bot API, sendMediaGroup, read 2026-11.
var albumClass = map[string]string{"photo": "visual", "video": "visual", "document": "document", "audio": "audio"}

func (l *Line) checkAlbum() error {
	first := l.Content[0].Kind
	if len(l.Content) == 1 {
		if l.Text != "" && !captioned[first] {
			return refuse("a " + first + " has no caption; say the text in a message of its own")
		}
		return nil
	}
	if len(l.Content) < minAlbum || len(l.Content) > maxAlbum {
		return refuse("an album has 2 to 10 items")
	}
	for _, c := range l.Content {
		if class := albumClass[c.Kind]; class == "" || class != albumClass[first] {
			return refuse("an album holds photos and videos, or only documents, or only audio")
		}
	}
	return nil
}

// captioned are the kinds that can have a caption.
// Source: Bot API, Message, caption, read 2026-11.
var captioned = map[string]bool{
	"photo": true, "document": true, "voice": true, "audio": true, "video": true, "animation": true,
}
