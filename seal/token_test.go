package seal_test

import (
	"bytes"
	"crypto/sha256"
	"net/url"
	"regexp"
	"testing"

	"github.com/parley-im/parley/seal"
)

func TestNewToken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func() string
		form string
	}{
		{"token", seal.NewToken, `^parley_[A-Za-z0-9_-]{43}$`},
		{"secret path", seal.NewSecretPath, `^[A-Za-z0-9_-]{43}$`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			for range 1000 {
				s := tt.make()
				if !regexp.MustCompile(tt.form).MatchString(s) || url.PathEscape(s) != s {
					t.Fatalf("%q does not look like %s", s, tt.form)
				}
				if seen[s] {
					t.Fatalf("%q came twice", s)
				}
				seen[s] = true
			}
		})
	}
}

func TestHashToken(t *testing.T) {
	t.Parallel()
	want := sha256.Sum256([]byte("parley_x"))
	if got := seal.HashToken("parley_x"); !bytes.Equal(got, want[:]) {
		t.Errorf("got %x, want %x", got, want)
	}
	if bytes.Equal(seal.HashToken("a"), seal.HashToken("b")) {
		t.Error("two tokens have one hash")
	}
}
