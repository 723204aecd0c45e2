package inbox

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// Bounds of what is stored, in bytes. They are beyond what any provider allows, so
// that only nonsense meets them.
const (
	maxID   = 512
	maxName = 1 << 10
	maxText = 1 << 20
)

// clean makes an event fit to be stored. A doubt is why its raw bytes belong into
// quarantine, or empty; take says whether the event itself is to be stored. What
// is neither is of no interest.
func clean(e *connector.Event, now time.Time) (doubt string, take bool) {
	if e.At.IsZero() || e.At.After(now) {
		e.At = now
	}
	for _, id := range [...]*string{&e.ID, &e.Version, &e.Chat.ID, &e.From.ID, &e.From.PublicID} {
		if len(*id) > maxID {
			return "an id is too long", false
		}
		tidy(id, maxID)
	}
	for _, name := range [...]*string{&e.Chat.Name, &e.From.Name, &e.From.Username} {
		tidy(name, maxName)
	}
	doubt, take = content(e)
	if take && e.ID == "" {
		return "an event without an id", false
	}
	return doubt, take
}

// content cleans what the event says.
func content(e *connector.Event) (doubt string, take bool) {
	switch what := e.What.(type) {
	case nil:
		return "an event without content", false
	case connector.Unknown:
		tidy(&what.Reason, maxName)
		if what.Reason == "" {
			what.Reason = "not understood"
		}
		return what.Reason, false
	case connector.Ignored:
		return "", false
	case connector.Message:
		return message(e, what)
	case connector.Edit:
		_, cut := tidy(&what.Text, maxText)
		what.Location, _ = place(what.Location)
		what.Files, _ = files(what.Files)
		e.What = what
		return about(e, cutNote(cut))
	case connector.Moved:
		tidy(&what.To, maxID)
		e.What = what
		return about(e, "")
	case connector.Delete:
		return about(e, "")
	}
	return "", true
}

// about refuses what belongs to a conversation and names none.
func about(e *connector.Event, doubt string) (string, bool) {
	if e.Chat.ID == "" {
		return "a message without a conversation", false
	}
	return doubt, true
}

func cutNote(cut bool) string {
	if cut {
		return "the text is too long and was cut"
	}
	return ""
}

func message(e *connector.Event, m connector.Message) (doubt string, take bool) {
	changed, cut := false, false
	for _, s := range [...]*string{&m.Text, &m.Payload} {
		did, long := tidy(s, maxText)
		changed, cut = changed || did, cut || long
	}
	for _, s := range [...]*string{&m.ReplyTo, &m.Unsupported} {
		did, _ := tidy(s, maxID)
		changed = changed || did
	}
	doubt = cutNote(cut)
	if m.Unsupported != "" {
		doubt = "unsupported message: " + m.Unsupported
		if m.Text == "" {
			m.Text, changed = "["+doubt+"]", true
		}
	}
	where, moved := place(m.Location)
	carried, renamed := files(m.Files)
	if changed || moved || renamed {
		m.Location, m.Files = where, carried
		e.What = m
	}
	return about(e, doubt)
}

// place cleans a location. The connector's own stays as it is.
func place(where *parley.Location) (clean *parley.Location, changed bool) {
	if where == nil {
		return nil, false
	}
	l := *where
	if !finite(l.Latitude) || !finite(l.Longitude) {
		return nil, true // JSON has no such numbers
	}
	named, _ := tidy(&l.Name, maxName)
	addressed, _ := tidy(&l.Address, maxName)
	if !named && !addressed {
		return where, false
	}
	return &l, true
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// tidy replaces NUL and invalid UTF-8 by U+FFFD and cuts what is longer than max
// bytes, between runes. It allocates only if there is something to replace.
func tidy(s *string, max int) (changed, cut bool) {
	if strings.IndexByte(*s, 0) >= 0 || !utf8.ValidString(*s) {
		*s = strings.ReplaceAll(strings.ToValidUTF8(*s, "\ufffd"), "\x00", "\ufffd")
		changed = true
	}
	if len(*s) <= max {
		return changed, false
	}
	end := max
	for !utf8.RuneStart((*s)[end]) {
		end--
	}
	*s = (*s)[:end]
	return true, true
}
