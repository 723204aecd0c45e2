package telegram

import (
	"net/http"
	"testing"

	"github.com/parley-im/parley"
)

// TestAuthenticate: the header alone decides, without the body.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want, given string
		ok                bool
	}{
		{"right", "s3cret", "s3cret", true}, {"wrong", "s3cret", "s3creT", false}, {"longer", "s3cret", "s3cret1", false},
		{"none", "s3cret", "", false}, {"nothing to match", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if tt.given != "" {
				header.Set(secretHeader, tt.given)
			}
			err := (&client{callbackToken: parley.Secret(tt.want)}).Authenticate(header)
			if (err == nil) != tt.ok || err != nil && parley.KindOf(err) != parley.KindUnauthorized {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
}
