package parley

import (
	"fmt"
	"io"
	"log/slog"
)

// A Secret is text that must not be printed. Every way of formatting it yields
// three asterisks; Reveal yields the text. The zero value is no secret.
type Secret string

const masked = "***"

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String returns asterisks.
func (s Secret) String() string { return masked }

// Format writes asterisks for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// LogValue returns asterisks to slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText returns asterisks, also to encoding/json.
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
