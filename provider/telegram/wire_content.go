package telegram

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/parley-im/parley"
)

// The shapes of what a message can hold beside text, as far as they are read.
// Source: Bot API, Message and available types, read 2026-11.
type (
	// carriers are where an update can hold a message.
	carriers struct {
		Message    *contents `json:"message"`
		Edited     *contents `json:"edited_message"`
		Post       *contents `json:"channel_post"`
		EditedPost *contents `json:"edited_channel_post"`
	}

	contents struct {
		Animation *media  `json:"animation"`
		Photo     []media `json:"photo"` // the same picture in several sizes
		Video     *media  `json:"video"`
		VideoNote *media  `json:"video_note"`
		Voice     *media  `json:"voice"`
		Audio     *media  `json:"audio"`
		Document  *media  `json:"document"`
		Sticker   *media  `json:"sticker"`

		Venue    *venue       `json:"venue"`
		Location *point       `json:"location"`
		Contact  *contactCard `json:"contact"`
		Poll     *pollCard    `json:"poll"`
		Dice     *dice        `json:"dice"`
		WebApp   *webApp      `json:"web_app_data"`

		NewTitle    string `json:"new_chat_title"`
		MigrateTo   int64  `json:"migrate_to_chat_id"`
		MigrateFrom int64  `json:"migrate_from_chat_id"`
	}

	// media is every kind of file: each has some of these.
	media struct {
		FileID   string `json:"file_id"`
		UniqueID string `json:"file_unique_id"`
		Name     string `json:"file_name"`
		Type     string `json:"mime_type"`
		Size     int64  `json:"file_size"` // bytes
		Width    int    `json:"width"`     // pixels
		Height   int    `json:"height"`
		Length   int    `json:"length"` // width and height of a video note
		Emoji    string `json:"emoji"`  // of a sticker
		Animated bool   `json:"is_animated"`
		Video    bool   `json:"is_video"`
	}

	point struct {
		Latitude  *float64 `json:"latitude"`  // degrees
		Longitude *float64 `json:"longitude"` // degrees
	}

	venue struct {
		Location *point `json:"location"`
		Title    string `json:"title"`
		Address  string `json:"address"`
	}

	contactCard struct {
		Phone     string `json:"phone_number"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
	}

	pollCard struct {
		Question string   `json:"question"`
		Options  []option `json:"options"`
	}

	option struct {
		Text string `json:"text"`
	}

	dice struct {
		Emoji string `json:"emoji"`
		Value int    `json:"value"`
	}

	webApp struct {
		Data   string `json:"data"`
		Button string `json:"button_text"`
	}
)

// readContents reads what the message in an update holds beside text. It is apart
// from the update so that texts, which are most, need not pay for it, and so that
// a file of an unexpected shape costs the message nothing else: what cannot be
// read is left out.
func readContents(raw []byte) *contents {
	var u carriers
	_ = json.Unmarshal(raw, &u)
	for _, c := range [...]*contents{u.Message, u.Edited, u.Post, u.EditedPost} {
		if c != nil {
			return c
		}
	}
	return &contents{}
}

// location returns where a location or a venue is, nil if the message has none that
// is a place on earth. A venue repeats its location beside it. Source: Bot API,
// Message, read 2026-11.
func (c *contents) location() *parley.Location {
	where, v := c.Location, c.Venue
	if v == nil {
		v = &venue{}
	}
	if v.Location != nil {
		where = v.Location
	}
	if !where.real() {
		return nil
	}
	return &parley.Location{Latitude: *where.Latitude, Longitude: *where.Longitude,
		Name: strings.TrimSpace(v.Title), Address: strings.TrimSpace(v.Address)}
}

func (p *point) real() bool {
	return p != nil && p.Latitude != nil && p.Longitude != nil &&
		math.Abs(*p.Latitude) <= 90 && math.Abs(*p.Longitude) <= 180
}
