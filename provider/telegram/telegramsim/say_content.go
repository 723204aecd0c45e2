package telegramsim

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
)

// check fills in the sample and refuses what people cannot send.
func (c *Content) check() error {
	if c.Kind == "" || c.Kind == "thumbnail" {
		return refuse("kind must be one of the contents in the package comment")
	}
	if _, ok := fileKinds[c.Kind]; ok {
		return c.checkFile()
	}
	check, ok := contentChecks[c.Kind]
	if !ok {
		return refuse("kind must be one of the contents in the package comment")
	}
	return check(c)
}

func (c *Content) checkFile() error {
	if c.Format == "" {
		c.Format = "static"
	}
	s := sampleOf(c.Kind, c.Format)
	if s.file == "" {
		return refuse("format must be static, animated or video")
	}
	if c.Data == nil {
		c.Data = s.bytes()
		c.Name, c.Mime = orElse(c.Name, s.name), orElse(c.Mime, s.mime)
		c.Title, c.Artist = orElse(c.Title, s.traits.title), orElse(c.Artist, s.traits.performer)
	}
	if len(c.Data) == 0 || c.Size < 0 || c.Width < 0 || c.Height < 0 || c.Duration < 0 {
		return refuse("a file cannot be empty, and its measures cannot be negative")
	}
	c.Width, c.Height = orElse(c.Width, s.traits.width), orElse(c.Height, s.traits.height)
	c.Duration, c.Emoji = orElse(c.Duration, s.traits.duration), orElse(c.Emoji, "👍")
	if c.Kind == "photo" {
		return c.checkPhoto()
	}
	c.Mime = orElse(c.Mime, fileKinds[c.Kind].mime)
	return nil
}

func (c *Content) checkPhoto() error {
	var ok bool
	c.sizes = samplePhoto()
	if last := c.sizes[len(c.sizes)-1].data; !bytes.Equal(last, c.Data) {
		c.sizes, ok = scale(c.Data)
	} else {
		ok = true
	}
	if !ok {
		return errNoPicture
	}
	return nil
}

var errNoPicture = refuse("the photo must be a JPEG, PNG or GIF of at most 25 million pixels; send other pictures as document")

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

var contentChecks = map[string]func(*Content) error{
	"location":     (*Content).checkPlace,
	"venue":        (*Content).checkVenue,
	"contact":      (*Content).checkContact,
	"dice":         (*Content).checkDice,
	"poll":         (*Content).checkPoll,
	"web_app_data": (*Content).checkWebApp,
}

// Limits of a live location, in seconds. Source: Bot API, sendLocation, read 2026-11.
const (
	minLive     = 60
	maxLive     = 86_400
	liveForever = 0x7FFFFFFF
)

func (c *Content) checkPlace() error {
	live := c.LivePeriod
	switch {
	case !(c.Latitude >= -90 && c.Latitude <= 90 && c.Longitude >= -180 && c.Longitude <= 180): // NaN included
		return refuse("latitude must lie between -90 and 90, longitude between -180 and 180")
	case live != 0 && live != liveForever && (live < minLive || live > maxLive):
		return refuse("live_period must lie between 60 and 86400 seconds, or be 2147483647")
	case !(c.Accuracy >= 0 && c.Accuracy <= 1500):
		return refuse("accuracy must lie between 0 and 1500 metres")
	case c.Heading < 0 || c.Heading > 360 || c.Heading > 0 && live == 0:
		return refuse("heading must lie between 1 and 360 degrees, of a live location only")
	}
	return nil
}

func (c *Content) checkVenue() error {
	c.Title, c.Address = orElse(c.Title, "Shop"), orElse(c.Address, "Main Street 1")
	if c.LivePeriod != 0 {
		return refuse("a venue does not move; send a location")
	}
	return c.checkPlace()
}

func (c *Content) checkContact() error {
	if c.Own {
		c.Phone = orElse(c.Phone, "+12025550100")
		return nil
	}
	if c.Phone == "" || c.FirstName == "" {
		return refuse("a contact needs phone and first_name, or own=true")
	}
	return nil
}

// diceFaces is how many values each kind of dice has.
// Source: Bot API, sendDice, read 2026-11.
var diceFaces = map[string]int{"🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64}

func (c *Content) checkDice() error {
	c.Emoji = orElse(c.Emoji, "🎲")
	faces := diceFaces[c.Emoji]
	if faces == 0 || c.Value < 0 || c.Value > faces {
		return refuse("emoji must be one of 🎲 🎯 🎳 🏀 ⚽ 🎰, and value one of its faces")
	}
	if c.Value == 0 {
		c.Value = 1 + rand.N(faces)
	}
	return nil
}

// Limits of a poll. Source: Bot API, sendPoll, read 2026-11.
const (
	maxQuestion = 300 // characters
	maxOption   = 100
	maxOptions  = 12
)

func (c *Content) checkPoll() error {
	c.Question = orElse(c.Question, "Tea or coffee?")
	if len(c.Options) == 0 {
		c.Options = []string{"Tea", "Coffee"}
	}
	if units(c.Question) > maxQuestion || len(c.Options) < 2 || len(c.Options) > maxOptions {
		return refuse("a poll has a question of at most 300 characters and 2 to 12 options")
	}
	for _, o := range c.Options {
		if o == "" || units(o) > maxOption {
			return refuse("an option has between 1 and 100 characters")
		}
	}
	return nil
}

func (c *Content) checkWebApp() error {
	c.Button, c.Payload = orElse(c.Button, "Open"), orElse(c.Payload, "{}")
	if len(c.Payload) > 4096 { // Source: Web Apps, sendData, read 2026-11
		return refuse("data has at most 4096 bytes")
	}
	return nil
}

// render is the content as b's messages carry it, from p; b's lock is not held.
func (c *Content) render(b *bot, p *person) content {
	if draw, ok := renderers[c.Kind]; ok {
		return draw(c, p)
	}
	if c.Kind == "photo" {
		return c.renderPhoto(b)
	}
	size := orElse(c.Size, int64(len(c.Data)))
	t := traits{width: c.Width, height: c.Height, duration: c.Duration, title: c.Title, performer: c.Artist,
		emoji: c.Emoji, set: c.Set, format: c.Format}
	if c.Kind != "document" && c.Kind != "voice" && c.Kind != "audio" {
		thumb := b.keepPicture("thumbnail", sampleThumb())
		t.thumb = &thumb
	}
	f := b.s.files.keep(stored{kind: c.Kind, name: c.Name, mime: c.Mime, data: c.Data, size: size, bot: b.user.ID, traits: t})
	return f.show(t)
}

// renderPhoto declares Size for the largest size only.
func (c *Content) renderPhoto(b *bot) content {
	last := c.sizes[len(c.sizes)-1]
	out := b.keepSizes(c.sizes[:len(c.sizes)-1])
	f := b.s.files.keep(stored{kind: c.Kind, data: last.data, size: orElse(c.Size, int64(len(last.data))), bot: b.user.ID})
	return content{Photo: append(out, photoSize{f.ref(), last.width, last.height})}
}

// renderers make what is no file.
var renderers = map[string]func(*Content, *person) content{
	"location": func(c *Content, _ *person) content { place := c.place(); return content{Location: &place} },
	// A venue is shown as a location, too. Source: Bot API, Message, venue, read 2026-11.
	"venue": func(c *Content, _ *person) content {
		place := c.place()
		return content{Location: &place, Venue: &venue{Location: place, Title: c.Title, Address: c.Address}}
	},
	"contact": (*Content).card,
	"dice":    func(c *Content, _ *person) content { return content{Dice: &dice{c.Emoji, c.Value}} },
	"poll":    func(c *Content, _ *person) content { return content{Poll: c.poll()} },
	"web_app_data": func(c *Content, _ *person) content {
		return content{WebApp: &webAppData{c.Payload, c.Button}}
	},
}

func (c *Content) place() location {
	return location{c.Latitude, c.Longitude, c.Accuracy, c.LivePeriod, c.Heading}
}

func (c *Content) card(p *person) content {
	d := contact{Phone: c.Phone, FirstName: c.FirstName, LastName: c.LastName, VCard: c.VCard}
	if c.Own {
		who := p.profile.Load().user
		d.UserID, d.FirstName, d.LastName = p.id, orElse(d.FirstName, who.FirstName), orElse(d.LastName, who.LastName)
	}
	return content{Contact: &d}
}

func (c *Content) poll() *pollQuestions {
	q := &pollQuestions{ID: strconv.FormatUint(rand.Uint64N(1<<63), 10), Question: c.Question, Anonymous: true, Type: "regular"}
	for _, o := range c.Options {
		q.Options = append(q.Options, pollOption{Text: strings.TrimSpace(o)})
	}
	return q
}
