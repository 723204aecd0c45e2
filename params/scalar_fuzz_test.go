package params

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// bound binds one text, as a form brings it.
func bound[T any](text string, how func(b *Binder) Opt[T]) (Opt[T], error) {
	s, err := Read(fuzzRequest(http.MethodPost, form, "", "v="+url.QueryEscape(text)), Options{})
	if err != nil {
		return Opt[T]{}, err
	}
	b := s.Bind()
	o := how(b)
	return o, b.Err()
}

// FuzzPhone: what is taken is a phone number in its one form, and reading that
// again changes nothing.
func FuzzPhone(f *testing.F) {
	for _, s := range []string{"79250000001", "+7 (925) 000-00-01", "89250000001", "7999999999", "0123456789", "+", "++79250000001", "٧٩٢٥٠٠٠٠٠٠١", "7-9.2[5]0\u20110\u00a000001", "79250000001x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		phone, ok := ParsePhone(text)
		if ok != (phone != "") {
			t.Fatalf("%q: %q, %v", text, phone, ok)
		}
		if !ok {
			return
		}
		if len(phone) < 10 || len(phone) > 15 || phone[0] < '1' || strings.Trim(phone, "0123456789") != "" {
			t.Errorf("%q is taken as %q", text, phone)
		}
		if again, ok := ParsePhone(phone); !ok || again != phone {
			t.Errorf("%q becomes %q", phone, again)
		}
		if kept := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, text); kept != phone {
			t.Errorf("%q is taken as %q: digits are lost", text, phone)
		}
	})
}

// FuzzTime: what is taken can be written and read again as the same instant.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"1510395430", "1510395430123", "1510395430.5", "2017-11-11T10:17:10.655Z", "2017-11-11 10:17:10 03:00", "20171111T101710", "2017-11-11",
		"9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00+14:00", "-1", "1e9", "253402300799", "253402300800", "2017-02-30", "soon"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := bound(text, func(b *Binder) Opt[time.Time] { return b.Time("v") })
		if err != nil || !o.Given() {
			return
		}
		if y := o.Value.Year(); y < 0 || y > 9999 || o.Value.Location() != time.UTC {
			t.Fatalf("%q is taken as %v", text, o.Value)
		}
		again, err := bound(o.Value.Format(time.RFC3339Nano), func(b *Binder) Opt[time.Time] { return b.Time("v") })
		if err != nil || !again.Value.Equal(o.Value) {
			t.Errorf("%q: %v becomes %v, %v", text, o.Value, again.Value, err)
		}
	})
}
