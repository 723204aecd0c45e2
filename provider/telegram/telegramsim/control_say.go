package telegramsim

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/parley-im/parley/simulator"
)

// contentVerbs are the verbs that say one thing beside text; they are called as
// their content.
var contentVerbs = []string{
	"photo", "document", "voice", "audio", "video", "video_note", "animation", "sticker", "location", "venue",
	"contact", "dice", "poll", "web_app_data",
}

// sayKind is the verb for one kind of content.
func (s *Server) sayKind(kind string) func(simulator.Params) (any, error) {
	return func(p simulator.Params) (any, error) {
		l, err := lineOf(p)
		if err != nil {
			return nil, err
		}
		c, err := contentOf(p, kind, "file")
		if err != nil {
			return nil, err
		}
		l.Content = []Content{c}
		return s.Say(l)
	}
}

// lineOf reads what all lines have in common. Text and caption are the same.
func lineOf(p simulator.Params) (Line, error) {
	reply, err1 := p.Int("reply_to", 0)
	topic, err2 := p.Int("topic", 0)
	if err := firstError(err1, err2); err != nil {
		return Line{}, err
	}
	l := Line{Account: p.Get("account"), Person: p.Get("person"), Chat: p.Get("chat"), Text: p.First("caption", "text"),
		ReplyTo: reply, Topic: topic, Quote: p.Get("quote"), Anonymous: p.Bool("anonymous"), Signature: p.Get("signature")}
	return l, l.readForward(p)
}

// readForward: forward is a person; forward_hidden hides them, forward_chat is a
// chat in their place.
func (l *Line) readForward(p simulator.Params) error {
	if p.First("forward", "forward_chat") == "" {
		return nil
	}
	id, err1 := p.Int("forward_message_id", 0)
	date, err2 := p.Int("forward_date", 0)
	l.Forward = &Forward{From: p.Get("forward"), Hidden: p.Bool("forward_hidden"), Chat: p.Get("forward_chat"),
		MessageID: id, Signature: p.Get("forward_signature"), Date: date}
	return firstError(err1, err2)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// contentOf reads one piece of content; file is the name of the uploaded part.
func contentOf(p simulator.Params, kind, file string) (Content, error) {
	r := reader{p: p}
	c := Content{
		Kind: kind, Name: p.Get("file_name"), Mime: p.Get("mime_type"), Size: int64(r.int("file_size")),
		Width: r.int("width"), Height: r.int("height"), Duration: r.int("duration"), Title: p.Get("title"),
		Artist: p.Get("performer"), Emoji: p.Get("emoji"), Set: p.Get("set_name"), Format: p.Get("format"),
		Latitude: r.float("latitude", 52.1), Longitude: r.float("longitude", 4.3), Accuracy: r.float("accuracy", 0),
		LivePeriod: r.int("live_period"), Heading: r.int("heading"), Address: p.Get("address"),
		Phone: p.First("phone_number", "phone"), FirstName: p.Get("first_name"), LastName: p.Get("last_name"),
		VCard: p.Get("vcard"), Own: p.Bool("own"), Value: r.int("value"), Question: p.Get("question"),
		Options: r.list("options"), Payload: p.Get("data"), Button: p.Get("button_text"),
	}
	if f, ok := p.File(file); ok {
		c.Data, c.Name, c.Mime = f.Data, orElse(c.Name, f.Name), orElse(c.Mime, f.Type)
		if c.Data == nil {
			c.Data = []byte{} // an empty file is not the sample
		}
	}
	return c, r.err
}

// A reader reads parameters and keeps the first error.
type reader struct {
	p   simulator.Params
	err error
}

func (r *reader) int(name string) int {
	n, err := r.p.Int(name, 0)
	r.fail(err)
	return int(n)
}

func (r *reader) float(name string, fallback float64) float64 {
	v := r.p.Get(name)
	if v == "" {
		return fallback
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil {
		r.fail(refuse(name + " must be a number"))
	}
	return f
}

// list is JSON or separated by commas.
func (r *reader) list(name string) []string {
	v := r.p.Get(name)
	if v == "" {
		return nil
	}
	if strings.HasPrefix(v, "[") {
		var out []string
		_, err := r.p.JSON(name, &out)
		r.fail(err)
		return out
	}
	return strings.Split(v, ",")
}

func (r *reader) fail(err error) { r.err = firstError(r.err, err) }

// sayAlbum says items: kinds separated by commas, files as file1, file2 and so on.
func (s *Server) sayAlbum(p simulator.Params) (any, error) {
	l, err := lineOf(p)
	if err != nil {
		return nil, err
	}
	r := reader{p: p}
	kinds := r.list("items")
	if kinds == nil {
		kinds = []string{"photo", "photo", "video"}
	}
	for i, kind := range kinds {
		c, err := contentOf(p, strings.TrimSpace(kind), fmt.Sprintf("file%d", i+1))
		if r.fail(err); r.err != nil {
			return nil, r.err
		}
		l.Content = append(l.Content, c)
	}
	if len(kinds) < minAlbum {
		return nil, refuse("an album has 2 to 10 items")
	}
	return s.Say(l)
}

// editLine changes text or caption, or with kind the file.
func (s *Server) editLine(p simulator.Params) (any, error) {
	id, err := p.Int("message_id", 0)
	if err != nil {
		return nil, err
	}
	l, err := lineOf(p)
	if err != nil {
		return nil, err
	}
	if kind := p.Get("kind"); kind != "" {
		c, err := contentOf(p, kind, "file")
		if err != nil {
			return nil, err
		}
		l.Content = []Content{c}
	}
	return s.Amend(id, l)
}

func (s *Server) movePlace(p simulator.Params) (any, error) {
	id, err := p.Int("message_id", 0)
	if err != nil {
		return nil, err
	}
	r := reader{p: p}
	to := Moves{Latitude: r.float("latitude", 52.2), Longitude: r.float("longitude", 4.4), Heading: r.int("heading"), Stop: p.Bool("stop")}
	if r.err != nil {
		return nil, r.err
	}
	return s.Move(id, Line{Account: p.Get("account"), Person: p.Get("person"), Chat: p.Get("chat")}, to)
}
