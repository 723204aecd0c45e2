package telegramsim

// traits are what a message tells of a file beside its name, type and size; each
// kind shows those that it has.
type traits struct {
	width, height    int // pixels
	duration         int // seconds
	title, performer string
	emoji, set       string
	format           string // of a sticker: static, animated or video
	thumb            *photoSize
}

func (t traits) thumbs() thumbs { return thumbs{t.thumb, t.thumb} }

// show is a file as a message carries it. A photo is shown by its single size;
// keepSizes shows all of them.
func (f *stored) show(t traits) content {
	if f.kind == "photo" {
		return content{Photo: []photoSize{{f.ref(), t.width, t.height}}}
	}
	return shown[f.kind](f, t)
}

var shown = map[string]func(*stored, traits) content{
	"document": func(f *stored, t traits) content {
		return content{Document: &document{f.name, f.mime, t.thumbs(), f.ref()}}
	},
	"voice": func(f *stored, t traits) content {
		return content{Voice: &voice{t.duration, f.mime, f.ref()}}
	},
	"audio": func(f *stored, t traits) content {
		return content{Audio: &audio{t.duration, f.name, f.mime, t.title, t.performer, t.thumbs(), f.ref()}}
	},
	"video": func(f *stored, t traits) content {
		return content{Video: &video{t.duration, t.width, t.height, f.name, f.mime, t.thumbs(), f.ref()}}
	},
	"video_note": func(f *stored, t traits) content {
		return content{VideoNote: &videoNote{t.duration, t.width, t.thumbs(), f.ref()}}
	},
	// Old clients know no animation, so the server shows a document beside it.
	// Source: Bot API, Message, animation, read 2026-11.
	"animation": func(f *stored, t traits) content {
		return content{Animation: &animation{t.duration, t.width, t.height, f.name, f.mime, t.thumbs(), f.ref()},
			Document: &document{f.name, f.mime, t.thumbs(), f.ref()}}
	},
	"sticker": func(f *stored, t traits) content {
		return content{Sticker: &sticker{t.width, t.height, t.emoji, t.set, t.format == "animated",
			t.format == "video", "regular", t.thumbs(), f.ref()}}
	},
}
