package api

import (
	_ "embed"
	"net/http"
	"strconv"
)

// avatarPath is where conversations without a picture point to.
const avatarPath = "/avatars/original/missing.png"

// The placeholder: a grey figure on a lighter ground, 96 pixels square.
//
//go:embed missing.png
var avatar []byte

// isAvatar reports whether the rest of a path that began with avatars names the
// placeholder.
func isAvatar(rest string) bool {
	original, rest, _ := next(rest)
	file, rest, _ := next(rest)
	_, _, more := next(rest)
	return original == "original" && file == "missing.png" && !more
}

// showAvatar serves the placeholder, to everybody.
func (s *Server) showAvatar(c *call) error {
	if err := onlyGet(c); err != nil {
		return err
	}
	c.status = http.StatusOK
	h := c.w.Header()
	h.Set("Content-Type", "image/png")
	h.Set("Cache-Control", "public, max-age=86400")
	h.Set("Content-Length", strconv.Itoa(len(avatar)))
	_, _ = c.w.Write(avatar) // the client's loss
	return nil
}
