package suite

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A row is one figure on every database.
type row struct {
	scenario, name, unit string
	sqlite, postgres     *Figure // either may be nil; sqlite also holds figures of no database
}

// rows puts the same figure of both databases beside each other, in the order in
// which they first came.
func rows(figures []Figure) []*row {
	var all []*row
	byName := map[string]*row{}
	for i := range figures {
		f := &figures[i]
		key := f.Scenario + "\x00" + f.Name
		r := byName[key]
		if r == nil {
			r = &row{scenario: f.Scenario, name: f.Name, unit: f.Unit}
			byName[key] = r
			all = append(all, r)
		}
		if f.Database == postgres {
			r.postgres = f
		} else {
			r.sqlite = f
		}
	}
	return all
}

// Print writes the table that a person reads.
func Print(w io.Writer, figures []Figure) {
	lines := [][]string{{"figure", "target", "SQLite", "met", "PostgreSQL", "CPU us", "peak MiB", "beside it"}}
	notes, dirty, last := []string{}, false, ""
	for _, r := range rows(figures) {
		if r.scenario != last {
			lines, last = append(lines, []string{r.scenario}), r.scenario
		}
		lines = append(lines, r.cells())
		for _, f := range []*Figure{r.sqlite, r.postgres} {
			if f == nil {
				continue
			}
			dirty = dirty || f.Dirty
			if f.Note != "" {
				notes = append(notes, fmt.Sprintf("%s, %s%s: %s", f.Scenario, f.Name, onDatabase(f.Database), f.Note))
			}
		}
	}
	align(w, lines)
	if dirty {
		fmt.Fprintf(w, "\n~ other processes took more than %.0f %% of the CPU: do not trust this one\n", dirtyShare*100)
	}
	for _, n := range notes {
		fmt.Fprintln(w, "- "+n)
	}
	met, all := score(figures)
	fmt.Fprintf(w, "\n%d of %d targets met\n", met, all)
}

func onDatabase(database string) string {
	if database == "" {
		return ""
	}
	return " on " + database
}

// cells are the row's columns, in the order of the heading. CPU and memory are of
// the first database that has them.
func (r *row) cells() []string {
	c := []string{"  " + r.name + ", " + r.unit, "", "", "", "", "", "", ""}
	if f := r.sqlite; f != nil {
		c[1], c[2], c[3] = f.Target.String(), f.text(), f.verdict()
	}
	if r.postgres != nil {
		c[4] = r.postgres.text()
	}
	c[5] = both(r, func(f *Figure) float64 { return f.CPU })
	c[6] = both(r, func(f *Figure) float64 { return f.Peak })
	for _, f := range []*Figure{r.sqlite, r.postgres} {
		if f != nil && f.Limit != "" {
			c[7] = strings.TrimPrefix(c[7]+"; "+f.Limit, "; ")
		}
	}
	return c
}

func (f *Figure) text() string {
	if f.Dirty {
		return number(f.Value) + "~"
	}
	return number(f.Value)
}

func (f *Figure) verdict() string {
	switch {
	case f.Met == nil:
		return ""
	case *f.Met:
		return "yes"
	}
	return "NO"
}

// both prints a value of SQLite, and of PostgreSQL behind a stroke.
func both(r *row, of func(*Figure) float64) string {
	var parts []string
	for _, f := range []*Figure{r.sqlite, r.postgres} {
		if f != nil && of(f) > 0 {
			parts = append(parts, fmt.Sprintf("%.0f", of(f)))
		}
	}
	return strings.Join(parts, "/")
}

// score counts the targets.
func score(figures []Figure) (met, all int) {
	for _, f := range figures {
		if f.Met == nil {
			continue
		}
		all++
		if *f.Met {
			met++
		}
	}
	return met, all
}

// align writes lines in columns: the first and the last to the left, the rest to
// the right. A line of one cell is a heading and widens nothing.
func align(w io.Writer, lines [][]string) {
	var widths [8]int
	for _, line := range lines {
		for i, cell := range line {
			if len(line) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for _, line := range lines {
		var b strings.Builder
		for i, cell := range line {
			space := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell)))
			switch {
			case len(line) == 1 || i == len(line)-1:
				b.WriteString(cell)
			case i == 0:
				b.WriteString(cell + space + "  ")
			default:
				b.WriteString(space + cell + "  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
