package load

import (
	"bytes"
	"strconv"
	"time"
)

// A Token travels in every message's text, so that the sink can tell which
// message arrived, in what order, and how long it took. It has only letters,
// digits and dots, which JSON and form encodings leave as they are:
//
//	bench.<run>.<key>.<seq>.<unix nanoseconds>.
//
// Within one run and key (a chat), Seq only grows.
type Token struct {
	Run  string
	Key  int64
	Seq  int64
	Sent time.Time
}

var tokenMark = []byte("bench.")

// maxRun bounds the name of a run, so that text that only looks like a token is
// passed over quickly.
const maxRun = 32

// Append appends the token's text to b.
func (t Token) Append(b []byte) []byte {
	b = append(b, tokenMark...)
	b = append(b, t.Run...)
	for _, n := range [...]int64{t.Key, t.Seq, t.Sent.UnixNano()} {
		b = append(b, '.')
		b = strconv.AppendInt(b, n, 10)
	}
	return append(b, '.')
}

// FindToken returns the first token in b.
func FindToken(b []byte) (t Token, ok bool) {
	for {
		i := bytes.Index(b, tokenMark)
		if i < 0 {
			return Token{}, false
		}
		b = b[i+len(tokenMark):]
		if t, ok := parseToken(b); ok {
			return t, true
		}
	}
}

func parseToken(b []byte) (t Token, ok bool) {
	run, b, ok := bytes.Cut(b, []byte("."))
	if !ok || len(run) == 0 || len(run) > maxRun {
		return Token{}, false
	}
	var n [3]int64
	for i := range n {
		var f []byte
		if f, b, ok = bytes.Cut(b, []byte(".")); !ok || len(f) > 20 {
			return Token{}, false
		}
		var err error
		if n[i], err = strconv.ParseInt(string(f), 10, 64); err != nil || n[i] < 0 {
			return Token{}, false
		}
	}
	return Token{Run: string(run), Key: n[0], Seq: n[1], Sent: time.Unix(0, n[2])}, true
}

// newRun names a run so that its messages differ from every earlier run's.
func newRun() string {
	return strconv.FormatInt(time.Now().UnixMilli(), 36)
}
