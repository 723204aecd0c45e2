package telegramsim

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// sendLocation. Source: Bot API, sendLocation, read 2026-11.
func (c *call) sendLocation() (any, error) {
	l, err := c.spot()
	if err != nil {
		return nil, err
	}
	return c.sendOne(draft{message{content: content{Location: l}}, "locations", l.detail()})
}

// sendVenue. Source: Bot API, sendVenue, read 2026-11.
func (c *call) sendVenue() (any, error) {
	l, err := c.spot()
	if err != nil {
		return nil, err
	}
	l.LivePeriod, l.Heading = 0, 0
	v := &venue{Location: *l, Title: strings.TrimSpace(c.params.Get("title")),
		Address: strings.TrimSpace(c.params.Get("address")), Foursquare: c.params.Get("foursquare_id")}
	switch {
	case v.Title == "":
		return nil, badRequest("title is empty")
	case v.Address == "":
		return nil, badRequest("address is empty")
	}
	detail := l.detail()
	detail["title"], detail["address"] = v.Title, v.Address
	return c.sendOne(draft{message{content: content{Venue: v, Location: l}}, "venues", detail})
}

func (l *location) detail() map[string]any {
	return map[string]any{"latitude": l.Latitude, "longitude": l.Longitude}
}

// spot reads a place. Source: Bot API, sendLocation, read 2026-11.
func (c *call) spot() (*location, error) {
	for _, name := range []string{"latitude", "longitude"} {
		if c.params.Get(name) == "" {
			return nil, badRequest(name + " is empty")
		}
	}
	number := func(name string) float64 {
		n, _ := strconv.ParseFloat(strings.TrimSpace(c.params.Get(name)), 64) // what is no number counts as 0
		return n
	}
	l := &location{Latitude: number("latitude"), Longitude: number("longitude"), Accuracy: number("horizontal_accuracy"),
		LivePeriod: int(number("live_period")), Heading: int(number("heading"))}
	return l, l.check()
}

func (l *location) check() error {
	switch {
	case !inRange(l.Latitude, 90) || !inRange(l.Longitude, 180) || l.Accuracy < 0 || l.Accuracy > 1500:
		return badRequest("wrong location specified")
	case l.LivePeriod != 0 && l.LivePeriod != liveForever && (l.LivePeriod < minLive || l.LivePeriod > maxLive):
		return badRequest("wrong live location period specified")
	case l.Heading < 0 || l.Heading > 360:
		return badRequest("wrong live location heading specified")
	}
	return nil
}

func inRange(n, limit float64) bool { return n >= -limit && n <= limit }

// sendContact. Source: Bot API, sendContact, read 2026-11.
func (c *call) sendContact() (any, error) {
	p := c.params
	v := &contact{Phone: strings.TrimSpace(p.Get("phone_number")), FirstName: strings.TrimSpace(p.Get("first_name")),
		LastName: strings.TrimSpace(p.Get("last_name")), VCard: p.Get("vcard")}
	switch {
	case v.Phone == "":
		return nil, badRequest("phone number is empty")
	case v.FirstName == "":
		return nil, badRequest("first name is empty")
	case len(v.VCard) > maxVCard:
		return nil, badRequest("vCard is too long")
	}
	return c.sendOne(draft{message{content: content{Contact: v}}, "contacts",
		map[string]any{"phone_number": v.Phone, "first_name": v.FirstName}})
}

// maxVCard bounds a vCard, in bytes. Source: Bot API, sendContact, read 2026-11.
const maxVCard = 2048

// sendDice. Source: Bot API, sendDice, read 2026-11.
func (c *call) sendDice() (any, error) {
	emoji := c.params.Get("emoji")
	if emoji == "" {
		emoji = "🎲"
	}
	sides, ok := diceFaces[emoji]
	if !ok {
		return nil, badRequest("EMOTICON_INVALID")
	}
	d := &dice{Emoji: emoji, Value: rand.IntN(sides) + 1}
	return c.sendOne(draft{message{content: content{Dice: d}}, "dice", map[string]any{"emoji": emoji}})
}
