package telegramsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strconv"
)

// sendFile makes the method that sends one file as kind.
// Source: Bot API, sendPhoto and its relatives, read 2026-11.
func sendFile(kind string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		m, err := c.material(c.givenOf(kind))
		if err != nil {
			return nil, err
		}
		return c.sendOne(c.draft(m))
	}
}

// kindRights name kinds of content in refusals. Source: tdlib/td, read 2026-11.
var kindRights = map[string]string{
	"photo": "photos", "video": "videos", "video_note": "video notes", "voice": "voice notes", "audio": "audios",
	"document": "documents", "animation": "animations", "sticker": "stickers",
}

// draft keeps the file and makes the message that shows it.
func (c *call) draft(m material) draft {
	content, f := c.content(m)
	return draft{message{content: content}, kindRights[m.piece.kind], fileDetail(f)}
}

// fileDetail is what tests ask about a file that was sent.
func fileDetail(f *stored) map[string]any {
	sum := sha256.Sum256(f.data)
	return map[string]any{"kind": f.kind, "file_id": f.id, "file_name": f.name, "mime_type": f.mime,
		"file_size": f.size, "sha256": hex.EncodeToString(sum[:])}
}

// content is what a message shows of a file, and the file with the very bytes
// that were sent.
func (c *call) content(m material) (content, *stored) {
	out, f := c.shown(m)
	if out.VideoNote == nil && out.Sticker == nil { // these two have no captions
		out.Caption, out.CaptionEntities = m.caption.text, m.caption.entities
	}
	return out, f
}

func (c *call) shown(m material) (content, *stored) {
	if m.piece.kind == "photo" {
		return c.photo(m.piece)
	}
	if f := m.piece.stored; f != nil {
		return f.show(f.traits), f
	}
	t := m.asked.traits
	t.format = m.piece.format
	if m.thumb != nil {
		size := c.bot.keepPicture("thumbnail", *m.thumb)
		t.thumb = &size
	}
	f := c.files.keep(stored{kind: m.piece.kind, name: m.piece.name, mime: m.piece.mime, data: m.piece.data,
		size: int64(len(m.piece.data)), bot: c.bot.user.ID, traits: t})
	return f.show(t), f
}

func (c *call) photo(p piece) (content, *stored) {
	sizes := p.sizes
	if p.stored != nil {
		sizes, _ = scale(p.stored.data) // it was read when it was kept
	}
	kept := c.bot.keepSizes(sizes)
	last := sizes[len(sizes)-1].data
	return content{Photo: kept}, &stored{id: kept[len(kept)-1].ID, kind: "photo", name: p.name, mime: p.mime,
		data: last, size: int64(len(last))}
}

// sendMediaGroup. Source: Bot API, sendMediaGroup, read 2026-11.
func (c *call) sendMediaGroup() (any, error) {
	items, err := c.album()
	if err != nil {
		return nil, err
	}
	list := make([]material, len(items))
	for i, item := range items {
		g, err := item.given(true)
		if err == nil {
			list[i], err = c.material(g)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := mixable(list); err != nil {
		return nil, err
	}
	return c.send(c.albumDrafts(list))
}

func (c *call) album() ([]inputMedia, error) {
	var raw []json.RawMessage
	switch given, err := c.params.JSON("media", &raw); {
	case err != nil && json.Valid([]byte(c.params.Get("media"))):
		return nil, badRequest("expected an Array of InputMedia")
	case err != nil || !given:
		return nil, badRequest("can't parse media JSON object")
	case len(raw) < minAlbum:
		return nil, badRequest("there must be at least 2 messages in an album")
	case len(raw) > maxAlbum:
		return nil, badRequest("too many messages to send as an album")
	}
	items := make([]inputMedia, len(raw))
	for i := range raw {
		if json.Unmarshal(raw[i], &items[i]) != nil {
			return nil, badInputMedia("expected an Object")
		}
	}
	return items, nil
}

// mixable refuses kinds that cannot be in one album: documents and audios are
// alone with their own kind. Source: Bot API, sendMediaGroup, read 2026-11.
func mixable(list []material) error {
	for _, alone := range []string{"document", "audio"} {
		n := 0
		for _, m := range list {
			if m.piece.kind == alone {
				n++
			}
		}
		if n > 0 && n < len(list) {
			return badRequest(typeName(alone) + " can't be mixed with other media types")
		}
	}
	return nil
}

func (c *call) albumDrafts(list []material) []draft {
	drafts, group := make([]draft, len(list)), strconv.FormatUint(1<<53+rand.Uint64N(1<<53), 10)
	for i, m := range list {
		drafts[i] = c.draft(m)
		drafts[i].MediaGroup = group
		drafts[i].detail["media_group_id"] = group
	}
	return drafts
}
