package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// tokenPrefix lets scanners and people recognise an API token where it leaked.
const tokenPrefix = "parley_"

// randomSize is 256 bits, in bytes: beyond guessing, and so random that a fast
// hash of it is as good as a slow one.
const randomSize = 32

// NewToken returns a new API token: the prefix parley_ and 43 URL-safe characters
// that carry 256 random bits. It is shown once; store its HashToken.
func NewToken() string { return tokenPrefix + random() }

// HashToken returns the 32 bytes under which an API token is stored and found.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// NewSecretPath returns an unguessable URL path element of 43 characters that
// carries 256 random bits and needs no escaping.
func NewSecretPath() string { return random() }

func random() string {
	b := make([]byte, randomSize)
	_, _ = rand.Read(b) // ends the program rather than fail
	return base64.RawURLEncoding.EncodeToString(b)
}
