package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/store"
)

// A list is one kind of rows that clients walk page by page.
type list[T any] struct {
	name   string // of the array in the answer; also what tokens are bound to
	parent int64  // whose rows they are; 0 if the user's
	size   int    // roughly, of one row, in bytes
	rows   func(context.Context, store.Page) ([]T, error)
	id     func(*T) int64
	write  func(*jsonout.Object, *T)
}

// show answers with one page. One row more than wanted is read, so that a token
// never leads to an empty page.
func show[T any](c *call, l list[T]) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	wanted := b.Page()
	if err := b.Err(); err != nil {
		return err
	}
	w := walk{key: c.server.pageKey, list: l.name, user: int64(c.user.ID), parent: l.parent}
	after, desc := w.start(wanted.From, wanted.Direction)
	rows, err := l.rows(c.ctx, store.Page{After: after, Desc: desc, Limit: wanted.Per + 1})
	if err != nil {
		return err
	}
	token := ""
	if len(rows) > wanted.Per {
		rows = rows[:wanted.Per]
		token = w.token(l.id(&rows[wanted.Per-1]), desc)
	}
	return c.ok(64+len(rows)*l.size, func(o *jsonout.Object) {
		o.Key(l.name)
		o.Array(len(rows), func(i int) {
			o.Open()
			l.write(o, &rows[i])
			o.Close()
		})
		o.TextOrNull("next_page", token)
	})
}

// A walk is one user's way through one list.
type walk struct {
	key          []byte
	list         string
	user, parent int64
}

const (
	tokenHead = 9  // direction and last key, in bytes
	tokenMAC  = 16 // in bytes; a forger has one guess in 2^128
	tokenSize = tokenHead + tokenMAC
)

// start says where a page starts: after which key, and in which direction. A
// token of another walk counts as none.
func (w *walk) start(token, direction string) (after int64, desc bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != tokenSize || !hmac.Equal(b[tokenHead:], w.mac(b[:tokenHead])) {
		return 0, direction == "desc"
	}
	desc = b[0] == 1
	if direction != "" && desc != (direction == "desc") {
		return 0, !desc
	}
	return int64(binary.BigEndian.Uint64(b[1:tokenHead])), desc
}

// token makes the token of the page after the row with that key.
func (w *walk) token(last int64, desc bool) string {
	b := make([]byte, 1, tokenSize)
	if desc {
		b[0] = 1
	}
	b = binary.BigEndian.AppendUint64(b, uint64(last))
	b = append(b, w.mac(b)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// mac binds a token to everything that makes it good for one walk only.
func (w *walk) mac(head []byte) []byte {
	h := hmac.New(sha256.New, w.key)
	b := append([]byte("parley page\x00"+w.list), 0)
	b = binary.BigEndian.AppendUint64(b, uint64(w.user))
	b = binary.BigEndian.AppendUint64(b, uint64(w.parent))
	_, _ = h.Write(append(b, head...)) // never fails
	return h.Sum(nil)[:tokenMAC]
}
