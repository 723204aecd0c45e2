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
	then   func(*T) int64 // the second key, if the first is not one alone; else nil
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
	page := w.start(wanted.From, wanted.Direction)
	page.Limit = wanted.Per + 1
	rows, err := l.rows(c.ctx, page)
	if err != nil {
		return err
	}
	token := ""
	if len(rows) > wanted.Per {
		rows = rows[:wanted.Per]
		token = w.token(l.last(&rows[wanted.Per-1], page.Desc))
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

// last is the page that ended with a row.
func (l *list[T]) last(row *T, desc bool) store.Page {
	p := store.Page{After: l.id(row), Desc: desc}
	if l.then != nil {
		p.Then = l.then(row)
	}
	return p
}

// A walk is one user's way through one list.
type walk struct {
	key          []byte
	list         string
	user, parent int64
}

const (
	tokenHead = 9  // direction and last key, in bytes; a second key behind them if it is not 0
	tokenThen = 8  // the second key, in bytes
	tokenMAC  = 16 // in bytes; a forger has one guess in 2^128
)

// start says where a page starts: after which keys, and in which direction. A
// token of another walk counts as none.
func (w *walk) start(token, direction string) store.Page {
	b, err := base64.RawURLEncoding.DecodeString(token)
	n := len(b) - tokenMAC
	if err != nil || base64.RawURLEncoding.EncodeToString(b) != token || n != tokenHead && n != tokenHead+tokenThen || !hmac.Equal(b[n:], w.mac(b[:n])) {
		return store.Page{Desc: direction == "desc"}
	}
	p := store.Page{After: int64(binary.BigEndian.Uint64(b[1:])), Desc: b[0] == 1}
	if n > tokenHead {
		p.Then = int64(binary.BigEndian.Uint64(b[tokenHead:]))
	}
	if direction != "" && p.Desc != (direction == "desc") {
		return store.Page{Desc: !p.Desc}
	}
	return p
}

// token makes the token of the page after the one that ended so.
func (w *walk) token(last store.Page) string {
	b := make([]byte, 1, tokenHead+tokenThen+tokenMAC)
	if last.Desc {
		b[0] = 1
	}
	b = binary.BigEndian.AppendUint64(b, uint64(last.After))
	if last.Then != 0 {
		b = binary.BigEndian.AppendUint64(b, uint64(last.Then))
	}
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
