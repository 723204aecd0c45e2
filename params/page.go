package params

// The bounds of a page's size, in rows.
const (
	DefaultPer = 50
	MaxPer     = 100
)

// maxFrom is the longest page token that is looked at, in code points.
const maxFrom = 255

// A Page says which part of a list is wanted.
type Page struct {
	From      string // the opaque token; "" for the first page
	Per       int    // 1 to MaxPer
	Direction string // asc or desc; "" if not given
}

// Page binds the parameters of a list: from (from_), per, and sort_direction
// (sort). Whether the token is any good is for the caller to judge.
func (b *Binder) Page() Page {
	return Page{
		From:      b.String("from", Alias("from_"), Length(0, maxFrom)).Value,
		Per:       int(b.Int("per", Between(1, MaxPer)).Or(DefaultPer)),
		Direction: b.OneOf("sort_direction", []string{"asc", "desc"}, Alias("sort")).Value,
	}
}
