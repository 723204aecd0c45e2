package seal

import (
	"crypto/subtle"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// mask is what every Secret looks like, the empty one too.
const mask = "***"

// A Secret is a string that does not print itself: fmt, slog, encoding/json and
// every encoder that knows text marshalling see ***. Only Reveal gives the text.
// The zero value is the empty secret. Compare with Equal; == does not compile.
type Secret struct {
	_ [0]func() // not comparable: == would compare addresses
	// A pointer, because fmt prints unexported fields of other packages' structs
	// without asking their methods, and of a pointer there it prints the address.
	text *string
}

// NewSecret makes a Secret of text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text. Call it where the secret is used, never to store it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether s is the empty secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether both hold the same text, in a time that tells only their
// lengths.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns ***.
func (s Secret) String() string { return mask }

// GoString returns ***.
func (s Secret) GoString() string { return mask }

// Format writes *** whatever the verb and the flags.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) } // fmt.State does not fail

// LogValue returns ***.
func (s Secret) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText returns ***.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// UnmarshalText always fails, so that no *** becomes a secret: decode into a string.
func (s *Secret) UnmarshalText([]byte) error { return errors.New("a secret is not decoded from text") }

// Value always fails, so that no Secret reaches a database unsealed, and no ***
// in its place.
func (s Secret) Value() (driver.Value, error) {
	return nil, errors.New("a secret is sealed before it is stored")
}
