package suite

import "context"

// A scenario makes some of the figures, on one database.
type scenario struct {
	name, about string
	on          scope
	run         func(ctx context.Context, s *suite, kind string) error
}

// scope says on which databases a scenario runs.
type scope int

const (
	onSQLite scope = iota // SQLite, which has the targets
	onBoth                // PostgreSQL as well, if there is one
)

func (sc *scenario) databases(s *suite) []string {
	if sc.on == onBoth && s.Postgres != "" {
		return []string{sqlite, postgres}
	}
	return []string{sqlite}
}

// scenarios are all of them, in the order in which they run.
func scenarios() []scenario {
	return []scenario{
		{"limits", "what the machine can do at most: HTTP echo, rows, flushes", onSQLite, limitFigures},
		{"receive", "callbacks in, each answered after its commit", onBoth, receive},
		{"deliver", "callbacks in, each also delivered to a receiver", onBoth, deliver},
		{"send", "messages accepted by the API, arrived at the messenger", onBoth, send},
		{"drain", "a backlog delivered to one receiver", onBoth, drain},
		{"slow", "one slow receiver among a hundred", onBoth, slowReceiver},
		{"hostile", "garbage, duplicates and oversized bodies under load; wrong tokens", onSQLite, hostile},
		{"wal", "the write-ahead log with a reader held open", onSQLite, heldReader},
		{"page", "a page of 100 of 10⁶ messages", onBoth, page},
		{"start", "start with 10⁶ messages and 10⁴ open jobs", onSQLite, startLoaded},
		{"flat", "a long history against a short one", onSQLite, flat},
	}
}
