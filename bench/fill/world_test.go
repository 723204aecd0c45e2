package fill

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// later is when the histories of the tests end: a whole number of seconds would
// hide who cuts times to them.
var later = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

// small is a history with everything in it.
var small = Options{Messages: 300, Conversations: 9, Jobs: 12, Backlog: 5, Webhook: "http://127.0.0.1:1/receiver"}

// each runs f with the place of a database of each sort: where it is filled, and
// where the store finds it.
func each(t *testing.T, o Options, f func(t *testing.T, o Options, place store.Options)) {
	t.Helper()
	storetest.EachOptions(t, func(t *testing.T, place store.Options) {
		o := o
		o.Data, o.Database = t.TempDir(), place.URL
		at, err := o.place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f(t, o, at)
	})
}

func mustFill(t *testing.T, o Options) Result {
	t.Helper()
	r, err := fillUntil(t.Context(), o, later)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// raw opens a database behind the store's back.
func raw(t *testing.T, o store.Options) *sql.DB {
	t.Helper()
	driver, address := "sqlite", "file:"+o.Path
	if o.URL != "" {
		driver, address = "pgx", o.URL
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// rowsOf returns the names of the columns and all rows of a query.
func rowsOf(t *testing.T, db *sql.DB, query string) (columns []string, all [][]any) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	if columns, err = rows.Columns(); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for n := range row {
			into[n] = &row[n]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return columns, all
}

// column returns the rows of a query, each as one text.
func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	var list []string
	_, rows := rowsOf(t, db, query)
	for _, row := range rows {
		list = append(list, fmt.Sprint(row...))
	}
	return list
}

// What two databases with the same history do not share: random secrets, what
// PostgreSQL's own clock says, and how many ids are reserved.
var (
	random = map[string]bool{"api_token.hash": true, "api_token.hint": true, "channel.secrets": true, "channel.callback_hash": true, "endpoint.secret": true}
	apart  = map[string]bool{"id_block": true, "setting": true, "schema_version": true, "node": true}
	idName = regexp.MustCompile(`^(id|.*_id|stream)$`)
	digits = regexp.MustCompile(`[0-9]+`)
)

// A dump is every row of every table, as text.
type dump map[string][]string

// dumped reads a database. Ids are replaced by their places in the order of all
// ids, since reservations leave holes between transactions. With loose, which
// PostgreSQL needs for its large holes, the numbers in bodies are left out instead:
// there one could be taken for an id that is none.
func dumped(t *testing.T, db *sql.DB, tables []string, loose bool) dump {
	t.Helper()
	var ids []int64
	rows := map[string][][]any{}
	columns := map[string][]string{}
	for _, table := range tables {
		columns[table], rows[table] = rowsOf(t, db, "SELECT * FROM "+table)
		eachCell(rows[table], func(n int, cell *any) {
			if id, ok := (*cell).(int64); ok && isID(table, columns[table][n]) {
				ids = append(ids, id)
			}
		})
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	rank := func(number string) string {
		id, _ := strconv.ParseInt(number, 10, 64)
		place, found := slices.BinarySearch(ids, id)
		switch {
		case loose:
			return ""
		case found:
			return fmt.Sprint("id ", place)
		}
		return number
	}
	all := dump{}
	for _, table := range tables {
		eachCell(rows[table], func(n int, cell *any) {
			name := columns[table][n]
			if b, ok := (*cell).([]byte); ok {
				*cell = string(b)
			}
			*cell = fmt.Sprint(*cell)
			if random[table+"."+name] {
				*cell = ""
			}
			if isID(table, name) {
				id, _ := strconv.ParseInt((*cell).(string), 10, 64)
				place, _ := slices.BinarySearch(ids, id)
				*cell = fmt.Sprint(place)
			}
			if table == "event" && name == "body" {
				*cell = digits.ReplaceAllStringFunc((*cell).(string), rank)
			}
		})
		for _, row := range rows[table] {
			all[table] = append(all[table], fmt.Sprintf("%v", row))
		}
		slices.Sort(all[table])
	}
	return all
}

func isID(table, column string) bool {
	return idName.MatchString(column) && column != "provider_id" && column != "public_id" && table != "shard"
}

func eachCell(rows [][]any, f func(column int, cell *any)) {
	for _, row := range rows {
		for n := range row {
			f(n, &row[n])
		}
	}
}

// A mirror is a database in which the store does for real what a filled one tells.
type mirror struct {
	t     *testing.T
	db    *store.DB
	h     *history
	now   time.Time
	grant parley.Grant
	chats map[string]parley.ConversationID
}

// steps are read from a filled database.
const steps = `SELECT m.id, m.income, m.listed, m.body, m.provider_id, v.external, m.created_at, COALESCE(j.claimed_at, 0), COALESCE(j.done_at, 0),
	COALESCE(j.deadline_at, 0), COALESCE((SELECT MAX(e.created_at) FROM event e WHERE e.message_id = m.id), 0)
	FROM message m JOIN conversation v ON v.id = m.conversation_id LEFT JOIN job j ON j.id = m.job_id ORDER BY m.id`

// A step is what a filled database tells of one message.
type step struct {
	id, income, listed                     int64
	text, provider, chat                   string
	created, claimed, done, deadline, told int64
}

// mirrored makes the mirror of a filled database at another place.
func mirrored(t *testing.T, o Options, filled *sql.DB) store.Options {
	t.Helper()
	o.Data = t.TempDir()
	if o.Database != "" {
		o.Database = storetest.Postgres(t).URL
	}
	o.setDefaults()
	place, err := o.place(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &mirror{t: t, h: newHistory(&o, later), chats: map[string]parley.ConversationID{}}
	if err := m.h.found(t.Context(), place); err != nil {
		t.Fatal(err)
	}
	place.Now = func() time.Time { return m.now }
	if m.db, err = store.Open(t.Context(), place); err != nil {
		t.Fatal(err)
	}
	m.grant = parley.Grant{Shard: m.h.company.Shard(), Term: parley.Term(m.h.term)}
	rows, err := filled.QueryContext(t.Context(), steps)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s step
		err := rows.Scan(&s.id, &s.income, &s.listed, &s.text, &s.provider, &s.chat, &s.created, &s.claimed, &s.done, &s.deadline, &s.told)
		if err != nil {
			t.Fatal(err)
		}
		m.do(&s)
	}
	m.end(&o)
	if err := m.db.Close(); err != nil {
		t.Fatal(err)
	}
	return place
}

func (m *mirror) do(s *step) {
	m.t.Helper()
	var err error
	if s.income == 1 {
		m.now = time.UnixMilli(s.told)
		person := connector.Person{ID: s.chat, Name: contactName, Username: userPrefix + s.chat}
		out, errs := m.db.Receive(m.t.Context(), &store.Receive{Channel: m.h.channel, Event: connector.Event{ID: s.provider,
			At: time.UnixMilli(s.created), Chat: connector.Chat{ID: s.chat}, From: person, What: connector.Message{Text: s.text}}})
		err, m.chats[s.chat] = errs[0], out[0].Conversation
	} else {
		m.now = time.UnixMilli(s.created)
		_, err = m.db.Accept(m.t.Context(), &store.Accept{Company: m.h.company, Channel: m.h.channel, Conversation: m.chats[s.chat], Text: s.text})
		if s.listed == 1 && err == nil {
			err = m.send(s)
		}
	}
	if err != nil {
		m.t.Fatalf("message %d: %v", s.id, err)
	}
}

// send claims the one ready job and ends it.
func (m *mirror) send(s *step) error {
	works, err := m.db.ReadyWork(m.t.Context(), m.h.channel.ID, parley.LaneReply, m.now, 2)
	if err != nil || len(works) != 1 {
		return fmt.Errorf("%d jobs are ready, %w", len(works), err)
	}
	w := &works[0]
	m.now = time.UnixMilli(s.claimed)
	c := &store.Claim{Job: w.Job.ID, Company: m.h.company, Grant: m.grant, Deadline: time.UnixMilli(s.deadline)}
	if err := m.db.Claim(m.t.Context(), c); err != nil {
		return err
	}
	w.Claimed(c)
	m.now = time.UnixMilli(s.done)
	_, err = m.db.Finish(m.t.Context(), &store.Finish{Work: w, Grant: m.grant, Result: store.Delivered, Parts: 1, Sent: connector.Sent{ProviderID: s.provider}})
	return err
}

// end answers for the profiles, and delivers all but the backlog.
func (m *mirror) end(o *Options) {
	m.t.Helper()
	ctx := m.t.Context()
	m.now = later
	due, err := m.db.DueProfiles(ctx, later, store.ProfileCursor{}, 1000)
	if err != nil {
		m.t.Fatal(err)
	}
	for n := range due {
		if err := m.db.FinishProfile(ctx, &store.ProfileOutcome{Due: &due[n], Grant: m.grant, Profile: &connector.Profile{}}); err != nil {
			m.t.Fatal(err)
		}
	}
	e, err := m.db.MainEndpoint(ctx, m.h.company)
	if err != nil {
		m.t.Fatal(err)
	}
	last, err := m.db.LastSeq(ctx, m.h.company)
	if err == nil {
		err = m.db.Deliver(ctx, &store.Delivery{Endpoint: e.ID, Company: m.h.company, Grant: m.grant, Cursor: last - o.Backlog})
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// compare reports the first rows that differ.
func compare(t *testing.T, got, want dump) {
	t.Helper()
	for table := range want {
		if len(got[table]) != len(want[table]) {
			t.Errorf("%s has %d rows, want %d", table, len(got[table]), len(want[table]))
			continue
		}
		for n := range want[table] {
			if got[table][n] != want[table][n] {
				t.Errorf("%s:\ngot  %s\nwant %s", table, got[table][n], want[table][n])
				break
			}
		}
	}
}

// tablesOf lists the tables that are compared, and schemaOf everything that makes
// them what they are.
func tablesOf(t *testing.T, o store.Options, db *sql.DB) []string {
	t.Helper()
	query := "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
	if o.URL != "" {
		query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
	}
	return slices.DeleteFunc(column(t, db, query), func(name string) bool { return apart[name] })
}

func schemaOf(t *testing.T, o store.Options, db *sql.DB) string {
	t.Helper()
	if o.URL == "" {
		return strings.Join(column(t, db, "SELECT name, sql FROM sqlite_schema ORDER BY name"), "\n")
	}
	schema := column(t, db, "SELECT current_schema()")[0]
	all := append(column(t, db, "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname"),
		column(t, db, `SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
			WHERE connamespace = current_schema()::regnamespace ORDER BY conrelid::regclass::text, conname`)...)
	return strings.ReplaceAll(strings.Join(all, "\n"), schema+".", "")
}
