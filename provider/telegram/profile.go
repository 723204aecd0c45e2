package telegram

import (
	"cmp"
	"context"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

var _ connector.Profiler = (*client)(nil)

// maxPicture is the width of a profile picture in pixels beyond which a smaller
// size is taken if there is one. Those that Telegram makes are 160, 320 and 640
// wide. Source: Bot API, UserProfilePhotos, read 2026-11.
const maxPicture = 640

// The shapes of profiles, as far as they are read. Source: Bot API,
// getUserProfilePhotos, UserProfilePhotos, ChatFullInfo and ChatPhoto, read 2026-11.
type (
	photosRequest struct {
		User  int64 `json:"user_id"`
		Limit int   `json:"limit"`
	}

	profilePhotos struct {
		Photos *[][]media `json:"photos"` // the newest first, each in several sizes
	}

	chatRequest struct {
		Chat int64 `json:"chat_id"`
	}

	chatInfo struct {
		ID    int64  `json:"id"`
		Title string `json:"title"`
		Photo *struct {
			FileID   string `json:"big_file_id"`
			UniqueID string `json:"big_file_unique_id"`
		} `json:"photo"`
	}
)

// Profile asks for the picture of a person, or for the title and the picture of a
// group or a channel. The names of people come with their messages, so they are
// left empty. An answer that makes no sense is an error of KindUnavailable.
func (c *client) Profile(ctx context.Context, chat connector.Chat) (connector.Profile, error) {
	id, err := chatID(chat.ID)
	if err != nil {
		return connector.Profile{}, err
	}
	if chat.Group {
		return c.groupProfile(ctx, id)
	}
	return c.personProfile(ctx, id)
}

func (c *client) personProfile(ctx context.Context, id int64) (connector.Profile, error) {
	var got profilePhotos
	if err := c.ask(ctx, getUserProfilePhotos, photosRequest{id, 1}, &got); err != nil {
		return connector.Profile{}, err
	}
	switch {
	case got.Photos == nil:
		return connector.Profile{}, errProfile()
	case len(*got.Photos) == 0:
		return connector.Profile{}, nil
	}
	m := picture((*got.Photos)[0])
	if m == nil {
		return connector.Profile{}, errProfile()
	}
	f := m.file(parley.FileAvatar, pictureType, c.cloud)
	return connector.Profile{Picture: &f}, nil
}

// picture returns the widest size of at most maxPicture, else the narrowest; nil if
// none can be had.
func picture(sizes []media) *media {
	var best *media
	for i := range sizes {
		m := &sizes[i]
		if m.FileID != "" && (best == nil || better(m.Width, best.Width)) {
			best = m
		}
	}
	return best
}

func better(width, than int) bool {
	if width > maxPicture || than > maxPicture {
		return width < than
	}
	return width > than
}

func (c *client) groupProfile(ctx context.Context, id int64) (connector.Profile, error) {
	var got chatInfo
	if err := c.ask(ctx, getChat, chatRequest{id}, &got); err != nil {
		return connector.Profile{}, err
	}
	if got.ID != id || (got.Photo != nil && got.Photo.FileID == "") {
		return connector.Profile{}, errProfile()
	}
	p := connector.Profile{Name: strings.TrimSpace(got.Title)}
	if ph := got.Photo; ph != nil {
		p.Picture = &connector.File{Kind: parley.FileAvatar, ID: cmp.Or(ph.UniqueID, ph.FileID), Source: ph.FileID, Type: pictureType}
	}
	return p, nil
}

// pictureType is of all pictures of people and groups. Source: Bot API server,
// PhotoSize, read 2026-11.
const pictureType = "image/jpeg"

func errProfile() error {
	return &parley.Error{Kind: parley.KindUnavailable, Code: "unreadable", Message: "Telegram's answer about the profile makes no sense"}
}
