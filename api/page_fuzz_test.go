package api

import (
	"testing"

	"github.com/parley-im/parley/store"
)

// FuzzPageToken: what clients send as a token leads to the first page, or to where
// a token of this very walk leads; no other walk takes it.
func FuzzPageToken(f *testing.F) {
	key := []byte("a key of the tests")
	ours := walk{key: key, list: "companies", user: 1}
	f.Add(ours.token(store.Page{After: 7, Desc: true}), "")
	f.Add(ours.token(store.Page{After: 1 << 62, Then: 3}), "asc")
	f.Add("", "desc")
	f.Add("AAAA", "x")
	f.Add(ours.token(store.Page{After: 7})+"\n", "")
	f.Add(ours.token(store.Page{After: 7, Desc: true})+"=", "desc")
	others := []walk{{key: key, list: "channels", user: 1}, {key: key, list: "companies", user: 2},
		{key: key, list: "companies", user: 1, parent: 1}, {key: []byte("another key"), list: "companies", user: 1}}
	f.Fuzz(func(t *testing.T, token, direction string) {
		p := ours.start(token, direction)
		if p.After != 0 && ours.token(p) != token {
			t.Errorf("%q leads to %+v", token, p)
		}
		if direction != "" && p.After != 0 && p.Desc != (direction == "desc") {
			t.Errorf("%q walks the other way", token)
		}
		for n, w := range others {
			if p := w.start(token, direction); p.After != 0 {
				t.Errorf("walk %d takes %q", n, token)
			}
		}
	})
}
