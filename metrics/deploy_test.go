package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A series is what a scrape has of one name: its labels and their values.
type series map[string]map[string]bool

// scraped returns every name of a scrape after everything was used.
func scraped(t *testing.T) map[string]series {
	t.Helper()
	w := newWorld()
	w.drive()
	all := map[string]series{"up": {}}
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	for line := range strings.Lines(w.scrape(t)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name := regexp.MustCompile(`^\w+`).FindString(line)
		if all[name] == nil {
			all[name] = series{"instance": nil, "job": nil} // Prometheus adds them
		}
		for _, m := range label.FindAllStringSubmatch(line, -1) {
			if all[name][m[1]] == nil {
				all[name][m[1]] = map[string]bool{}
			}
			all[name][m[1]][m[2]] = true
		}
	}
	return all
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	selector = regexp.MustCompile(`\b((?:parley|go|process)_\w+|up\b)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`^(\w+)(=~|!~|!=|=)"([^"]*)"$`)
	grouping = regexp.MustCompile(`\b(?:by|without) \(([^)]*)\)`)
)

// wrongIn returns what an expression of Prometheus uses that no scrape has: names,
// labels, and values of labels.
func wrongIn(expr string, all map[string]series) (wrong []string) {
	found := selector.FindAllStringSubmatch(expr, -1)
	if len(found) == 0 {
		return []string{"no metric in " + expr}
	}
	grouped := map[string]bool{"instance": true, "job": true}
	for _, m := range found {
		s, ok := all[m[1]]
		if !ok {
			wrong = append(wrong, m[1])
			continue
		}
		for label := range s {
			grouped[label] = true
		}
		wrong = append(wrong, wrongLabels(m[1], m[2], s)...)
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			if !grouped[strings.TrimSpace(label)] {
				wrong = append(wrong, "by "+label)
			}
		}
	}
	bare := quoted.ReplaceAllString(expr, "")
	for _, pair := range []string{"()", "{}", "[]"} {
		if strings.Count(bare, pair[:1]) != strings.Count(bare, pair[1:]) {
			wrong = append(wrong, "brackets "+pair)
		}
	}
	return wrong
}

func wrongLabels(name, text string, s series) (wrong []string) {
	for term := range strings.SplitSeq(text, ",") {
		if term == "" {
			continue
		}
		m := matcher.FindStringSubmatch(term)
		if m == nil {
			wrong = append(wrong, name+": "+term)
			continue
		}
		values, ok := s[m[1]]
		if !ok && name != "up" {
			wrong = append(wrong, name+": label "+m[1])
		}
		for value := range strings.SplitSeq(m[3], "|") {
			if values != nil && !values[value] {
				wrong = append(wrong, name+": "+m[1]+" "+value)
			}
		}
	}
	return wrong
}

func TestWrongIn(t *testing.T) {
	t.Parallel()
	all := scraped(t)
	for expr, want := range map[string]string{
		`max(parley_lease_held) == 0`:                                      "",
		`rate(parley_sends_total{kind=~"uncertain|delivered"}[5m])`:        "",
		`sum by (le, provider) (rate(parley_job_delivery_seconds_bucket))`: "",
		`max(parley_lease) == 0`:                                           "parley_lease",
		`parley_sends_total{kind="lost"}`:                                  "parley_sends_total: kind lost",
		`parley_sends_total{sort="lost"}`:                                  "parley_sends_total: label sort",
		`sum by (route) (parley_sends_total)`:                              "by route",
		`parley_job_delivery_seconds`:                                      "parley_job_delivery_seconds",
		`max(parley_lease_held`:                                            "brackets ()",
		`1 > 0`:                                                            "no metric in 1 > 0",
	} {
		if got := strings.Join(wrongIn(expr, all), "; "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// An alert is a rule of the file.
type alert struct {
	name, expr  string
	annotations map[string]string
	severity    string
}

// An alertLine is a shape of lines, and what one says about an alert.
type alertLine struct {
	shape *regexp.Regexp
	take  func(a *alert, m []string)
}

// The lines that the file of alerts may have: less than YAML has, so that it can
// be read here, and every line of another shape is an error.
var alertLines = []alertLine{
	{regexp.MustCompile(`^      - alert: (Parley[A-Z]\w+)$`), nil},
	{regexp.MustCompile(`^        expr: (\|)$`), func(*alert, []string) {}},
	{regexp.MustCompile(`^        expr: ([^|"'#].*)$`), func(a *alert, m []string) { a.expr = m[1] }},
	{regexp.MustCompile(`^        for: \d+[mh]$`), func(*alert, []string) {}},
	{regexp.MustCompile(`^        labels: \{severity: (critical|warning|info)\}$`), func(a *alert, m []string) { a.severity = m[1] }},
	{regexp.MustCompile(`^        annotations:$`), func(*alert, []string) {}},
	{regexp.MustCompile(`^          (summary|description): ("(?:[^"\\]|\\")*")$`), func(a *alert, m []string) { a.annotations[m[1]] = m[2] }},
	{regexp.MustCompile(`^          (?:  )?((?:sum|max|/) .*)$`), func(a *alert, m []string) { a.expr += " " + m[1] }},
}

// readAlerts reads the file below its head.
func readAlerts(t *testing.T, text string) []*alert {
	t.Helper()
	_, rules, ok := strings.Cut(text, "groups:\n  - name: parley\n    rules:\n")
	if !ok {
		t.Fatal("the head of the file is not as expected")
	}
	var all []*alert
	for line := range strings.Lines(rules) {
		line = strings.TrimSuffix(line, "\n")
		i := slices.IndexFunc(alertLines, func(l alertLine) bool { return l.shape.MatchString(line) })
		switch {
		case i < 0:
			t.Errorf("unexpected line %q", line)
		case i == 0:
			all = append(all, &alert{name: alertLines[0].shape.FindStringSubmatch(line)[1], annotations: map[string]string{}})
		case len(all) > 0:
			alertLines[i].take(all[len(all)-1], alertLines[i].shape.FindStringSubmatch(line))
		}
	}
	return all
}

// TestAlerts: the example alerts use what there is, and say what is wrong.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	all, names := scraped(t), map[string]bool{}
	alerts := readAlerts(t, string(text))
	if len(alerts) < 10 {
		t.Errorf("only %d alerts", len(alerts))
	}
	for _, a := range alerts {
		for _, wrong := range wrongIn(a.expr, all) {
			t.Errorf("%s: %s", a.name, wrong)
		}
		if names[a.name] || a.severity == "" || a.annotations["summary"] == "" || a.annotations["description"] == "" {
			t.Errorf("%s: a second of that name, or without severity, summary or description", a.name)
		}
		names[a.name] = true
	}
}

// TestDashboard: every panel shows something that there is.
func TestDashboard(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/grafana/parley.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		Panels []struct {
			ID                       int
			Type, Title, Description string
			Targets                  []struct{ Expr, LegendFormat string }
			GridPos                  struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	all, shown := scraped(t), map[string]bool{}
	cells, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("%q: without title, description or targets, or a second with its id", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies on %q, or out of the page", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			// Grafana puts the instance in, and a time.
			expr := strings.NewReplacer(`instance=~"$instance"`, `instance=~".*"`, "$__rate_interval", "5m").Replace(target.Expr)
			for _, wrong := range wrongIn(expr, all) {
				t.Errorf("%q: %s", p.Title, wrong)
			}
			for _, m := range selector.FindAllStringSubmatch(expr, -1) {
				shown[m[1]] = true
			}
		}
	}
	for name := range all {
		family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		used := shown[name] || shown[family+"_bucket"] || shown[family+"_sum"]
		if strings.HasPrefix(name, "parley_") && !used && name != "parley_depths_readable" {
			t.Errorf("%s is on no panel", name)
		}
	}
}

// TestPage: docs/metrics.md explains every metric of ours, and no other.
func TestPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(parley_\\w+)`").FindAllStringSubmatch(string(text), -1) {
		explained[m[1]] = true
	}
	families := map[string]bool{}
	w := newWorld()
	w.drive()
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (parley_\w+) `).FindAllStringSubmatch(w.scrape(t), -1) {
		families[m[1]] = true
		if !explained[m[1]] {
			t.Errorf("%s is not explained", m[1])
		}
	}
	for name := range explained {
		if !families[name] {
			t.Errorf("%s is explained but does not exist", name)
		}
	}
	for _, name := range selector.FindAllStringSubmatch(string(text), -1) {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name[1], "")
		if strings.HasPrefix(base, "parley_") && !families[base] && !families[name[1]] {
			t.Errorf("%s is mentioned but does not exist", name[1])
		}
	}
}
