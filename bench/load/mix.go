package load

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Part is a share of the requests that are not valid messages. What is left of
// the whole is valid.
type Part struct {
	Name   string
	Share  float64  // of all requests, 0 to 1
	Bodies []string // templates, taken in turn; none: the run's Body
	Header []string // instead of the run's headers of the same names
	Pad    int      // spaces that follow the body, which JSON allows
	// Repeat sends an earlier request of the same connection again, byte for
	// byte: a valid one that was accepted some requests ago.
	Repeat bool
}

// valid is the name of what is left.
const valid = "valid"

// TelegramLimit is more than a callback of Telegram's may have, in bytes.
const TelegramLimit = 1 << 20

// TelegramSecret is the header by which a callback of Telegram's is known.
const TelegramSecret = "X-Telegram-Bot-Api-Secret-Token"

// Garbage are bodies that are no updates: not JSON, cut short, empty, of another
// shape, and of a kind that is not known yet.
func Garbage(share float64) Part {
	return Part{Name: "garbage", Share: share, Bodies: []string{
		`{"update_id":{id},"message":{"message_id":{id},`,
		`{"update_id":{id},"brand_new":{"chat":{"id":{chat}},"value":"{run}"}}`,
		`garbage {run} {seq}`,
		`[{id},"{run}"]`,
		``,
	}}
}

// Duplicates repeat earlier messages.
func Duplicates(share float64) Part { return Part{Name: "duplicate", Share: share, Repeat: true} }

// Oversized are messages beyond a limit, in bytes.
func Oversized(share float64, limit int) Part {
	return Part{Name: "oversized", Share: share, Pad: limit}
}

// Forged are messages with another value of a header, such as a wrong secret.
func Forged(share float64, header string) Part {
	return Part{Name: "forged", Share: share, Header: []string{header}}
}

// ParseMix reads a mix such as "garbage=0.1,duplicate=0.1,oversized=0.01,forged=0.1".
func ParseMix(s, forgedHeader string) ([]Part, error) {
	var mix []Part
	for one := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(one, "=")
		share, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("want name=share, such as garbage=0.1, not %q", one)
		}
		switch name {
		case "garbage":
			mix = append(mix, Garbage(share))
		case "duplicate":
			mix = append(mix, Duplicates(share))
		case "oversized":
			mix = append(mix, Oversized(share, TelegramLimit))
		case "forged":
			mix = append(mix, Forged(share, forgedHeader))
		default:
			return nil, fmt.Errorf("want garbage, duplicate, oversized or forged, not %q", name)
		}
	}
	return mix, validMix(mix)
}

func validMix(mix []Part) error {
	sum, names := 0.0, map[string]bool{"": true, valid: true}
	for _, p := range mix {
		if names[p.Name] {
			return fmt.Errorf("the parts of a mix must have names, each its own, not %q", p.Name)
		}
		names[p.Name] = true
		if !(p.Share >= 0) {
			return fmt.Errorf("the share of %s must not be negative", p.Name)
		}
		sum += p.Share
	}
	if !(sum <= 1+1e-9) {
		return errors.New("the shares of a mix must not be more than 1 together")
	}
	return nil
}

// part is a Part made ready. The first of a run is the valid one.
type part struct {
	name   string
	share  float64
	header template
	bodies []template
	pad    []byte
	repeat bool
}

func (o *Options) parts() []part {
	left := 1.0
	for _, p := range o.Mix {
		left -= p.Share
	}
	parts := []part{{name: valid, share: max(left, 0), header: headerLines(o.Header), bodies: []template{parseTemplate(o.Body)}}}
	for _, p := range o.Mix {
		ready := part{name: p.Name, share: p.Share, header: headerLines(replaceHeaders(o.Header, p.Header)), bodies: parts[0].bodies, repeat: p.Repeat}
		if p.Bodies != nil {
			ready.bodies = nil
		}
		for _, b := range p.Bodies {
			ready.bodies = append(ready.bodies, parseTemplate(b))
		}
		if p.Pad > 0 {
			ready.pad = []byte(strings.Repeat(" ", p.Pad))
		}
		parts = append(parts, ready)
	}
	return parts
}

func headerLines(header []string) template {
	var b strings.Builder
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	return parseTemplate(b.String())
}

// replaceHeaders returns header with others in the place of those of the same name.
func replaceHeaders(header, others []string) []string {
	var out []string
	for _, h := range header {
		if !namesOneOf(h, others) {
			out = append(out, h)
		}
	}
	return append(out, others...)
}

func namesOneOf(header string, others []string) bool {
	name, _, _ := strings.Cut(header, ":")
	for _, o := range others {
		if other, _, _ := strings.Cut(o, ":"); strings.EqualFold(name, other) {
			return true
		}
	}
	return false
}

// picker chooses parts so that their shares are exact over any stretch of
// requests: the one that lags most behind its share is next.
type picker struct {
	share []float64
	lag   []float64
}

// newPicker makes a picker that has made so many choices already, so that
// connections do not send their oversized bodies all at once.
func newPicker(parts []part, made int) *picker {
	p := &picker{lag: make([]float64, len(parts))}
	for i := range parts {
		p.share = append(p.share, parts[i].share)
	}
	for range made {
		p.next()
	}
	return p
}

func (p *picker) next() int {
	if len(p.share) == 1 {
		return 0
	}
	most := 0
	for i, s := range p.share {
		p.lag[i] += s
		if p.lag[i] > p.lag[most] {
			most = i
		}
	}
	p.lag[most]--
	return most
}
