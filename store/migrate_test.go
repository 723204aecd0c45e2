package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// firstRows are rows of every table of the first schema, in its words. It does
// not change when later schemas do: it is what a first user's database holds. A
// sealed column is %s: bytes sealed with the test's keys.
const firstRows = `
INSERT INTO setting (name, value) VALUES ('epoch', '1');
INSERT INTO node (name, beat_at, expires_at) VALUES ('node-0', 1, 2);
INSERT INTO shard (id, node, term) VALUES (83, 'node-0', 3);
INSERT INTO user_account (id, name, partner, phone, webhook_url, created_at) VALUES (1, 'acme', 0, '', '', 1000);
INSERT INTO api_token (hash, user_id, hint, created_at, revoked_at) VALUES (%[3]s, 1, 'pk_abc', 1000, 0);
INSERT INTO company (id, user_id, shard, name, phone, description, hidden, paywall, channels_per_provider, extended_events, created_at)
	VALUES (7, 1, 83, 'acme', '79', 'sells', 0, 0, 1, 1, 1000);
INSERT INTO company_log (company_id, seq, first_seq) VALUES (7, 1, 1);
INSERT INTO channel (id, company_id, shard, provider, spelling, state, reason, state_at, account, generation, settings, secrets, callback_hash,
	farewell, created_at, deleted_at) VALUES (8, 7, 83, 'telegram', 'telegram', 'enabled', '', 1000, '100', 1, '{"a":"b"}', %[1]s, %[3]s, 0, 1000, 0);
INSERT INTO session_state (channel_id, name, value) VALUES (8, 'keys', %[3]s);
INSERT INTO contact (id, company_id, channel_id, external, public_id, name, username, created_at) VALUES (9, 7, 8, '1', '1', 'Ann', 'ann', 1000);
INSERT INTO conversation (id, company_id, channel_id, contact_id, external, public_id, name, avatar_url, is_group, announced, blocked,
	last_income_at, note, assignee, bitrix_block, created_at) VALUES (10, 7, 8, 9, '1', '1', 'Ann', '', 0, 1, 0, 1000, 'vip', 5, 0, 1000);
INSERT INTO message (id, company_id, channel_id, conversation_id, contact_id, job_id, income, listed, ack, body, provider_id, reply_to, extra,
	created_at, edited_at, deleted_at) VALUES (11, 7, 8, 10, 0, 0, 1, 1, 1, 'first', '5', 0, '', 1000, 0, 0);
INSERT INTO message (id, company_id, channel_id, conversation_id, contact_id, job_id, income, listed, ack, body, provider_id, reply_to, extra,
	created_at, edited_at, deleted_at) VALUES (12, 7, 8, 10, 0, 13, 0, 0, -1, 'open', '', 0, '', 1000, 0, 0);
INSERT INTO seen (channel_id, key, message_id) VALUES (8, %[3]s, 11);
INSERT INTO job (id, company_id, shard, channel_id, conversation_id, message_id, lane, state, part, attempt, crashes, term, plan, reason,
	ready_at, deadline_at, created_at, done_at) VALUES (13, 7, 83, 8, 10, 12, 0, 'ready', 0, 0, 0, 0, '', '', 1000, 0, 1000, 0);
INSERT INTO receipt (channel_id, provider_id, conversation_id, ack, created_at) VALUES (8, 'r1', 10, 2, 1000);
INSERT INTO echo (id, channel_id, conversation_id, provider_id, event, created_at) VALUES (14, 8, 10, 'e1', %[4]s, 1000);
INSERT INTO event (company_id, seq, stream, channel_id, message_id, kind, body, created_at) VALUES (7, 1, 10, 8, 11, 'message/new', %[4]s, 1000);
INSERT INTO endpoint (id, company_id, shard, main, url, secret, cursor, created_at) VALUES (15, 7, 83, 1, 'https://example.com/', %[2]s, 0, 1000);
INSERT INTO blocked_stream (endpoint_id, stream, head, attempt, next_at) VALUES (15, 10, 1, 1, 1000);
INSERT INTO dead_letter (endpoint_id, seq, company_id, stream, kind, reason, attempts, parked_at, replay_at, replayed_at)
	VALUES (15, 1, 7, 10, 'message/new', 'HTTP 500', 11, 1000, 0, 0);
INSERT INTO webhook_attempt (endpoint_id, seq, number, company_id, status, reason, took_ms, created_at) VALUES (15, 1, 1, 7, 500, '', 3, 1000);
INSERT INTO quarantine (id, company_id, channel_id, provider, source, reason, hash, size, body, created_at)
	VALUES (16, 7, 8, 'telegram', 'poll', 'unknown', %[3]s, 2, %[4]s, 1000);
INSERT INTO idempotency (user_id, key, request, status, answer, created_at) VALUES (1, %[3]s, %[3]s, 200, %[4]s, 1000);
`

// TestMigrate goes from every version to the last with the first user's rows, and
// works with them afterwards.
func TestMigrate(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		ctx := t.Context()
		if err := store.MigrateTo(ctx, o, 1); err != nil {
			t.Fatal(err)
		}
		fillFirst(t, o)
		for version := 2; version <= store.Latest(); version++ {
			if err := store.MigrateTo(ctx, o, version); err != nil {
				t.Fatalf("to version %d: %v", version, err)
			}
		}
		for range 2 { // a database that is up to date opens too
			db, err := store.Open(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		smoke(t, storetest.Open(t, o))
	})
}

// fillFirst writes firstRows, and fails if they leave a table of the schema empty.
func fillFirst(t *testing.T, o store.Options) {
	t.Helper()
	literal := func(b []byte) string {
		if o.URL != "" {
			return fmt.Sprintf(`'\x%x'`, b)
		}
		return fmt.Sprintf("x'%x'", b)
	}
	sealed := func(text string, at seal.Location) string {
		b, err := o.Keys.Seal([]byte(text), at)
		if err != nil {
			t.Fatal(err)
		}
		return literal(b)
	}
	text := fmt.Sprintf(firstRows,
		sealed(`{"token":"t"}`, seal.Location{Table: "channel", Company: 7, Row: "8", Column: "secrets"}),
		sealed("whsec_x", seal.Location{Table: "endpoint", Company: 7, Row: "15", Column: "secret"}),
		literal([]byte("0123456789abcdef")), literal([]byte("{}")))
	if o.URL != "" {
		text += "SELECT nextval('ids');"
	} else {
		text += "UPDATE id_block SET next = 64;"
	}
	if err := store.Script(t.Context(), o, text); err != nil {
		t.Fatal(err)
	}
	for _, table := range store.TablesOf(1) {
		if table != "id_block" && !strings.Contains(firstRows, "INSERT INTO "+table+" ") {
			t.Errorf("firstRows has none of %s", table)
		}
	}
}

// smoke uses what fillFirst wrote.
func smoke(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, db: db, user: 1, company: 7}
	w.own("node-1")
	if w.grant.Term != 4 {
		t.Errorf("term %d, want 4", w.grant.Term)
	}
	w.ch = w.channel(8)
	if w.ch.Secrets["token"] != "t" || w.ch.Settings["a"] != "b" {
		t.Errorf("channel %+v", w.ch)
	}
	if c, err := db.Company(ctx, 7); err != nil || c.WebhookURL != "https://example.com/" || *c.Phone != "79" {
		t.Errorf("company %+v, %v", c, err)
	}
	if v, err := db.Conversation(ctx, 7, 10); err != nil || v.Note != "vip" || v.Assignee != 5 {
		t.Errorf("conversation %+v, %v", v, err)
	}
	if e := w.endpoint(); e.Secret != "whsec_x" || w.lagging() != 1 {
		t.Errorf("endpoint %+v", e)
	}
	receive(t, db, says(w.ch, "1", "20", "second"))
	f := delivered("r1")
	w.finish(w.claim(13), f)
	if got, want := w.texts(10), "first:1 open:2 second:1"; got != want {
		t.Errorf("messages %q, want %q", got, want)
	}
	w.log()
}

func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		if err := store.MigrateTo(t.Context(), o, store.Latest()); err != nil {
			t.Fatal(err)
		}
		next := store.Latest() + 1
		mark := func(compatible int) {
			text := fmt.Sprintf("DELETE FROM schema_version WHERE version = %d; INSERT INTO schema_version (version, compatible) VALUES (%[1]d, %[2]d);", next, compatible)
			if err := store.Script(t.Context(), o, text); err != nil {
				t.Fatal(err)
			}
		}
		mark(store.Latest()) // a newer program was here, beside which this one can work
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatalf("a newer schema that we can work with: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		mark(next)
		_, err = store.Open(t.Context(), o)
		wantKind(t, "newer database", err, parley.KindInvalid)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("schema version %d", next)) || !strings.Contains(err.Error(), "install a newer Parley") {
			t.Errorf("error %v does not say what to do", err)
		}
	})
}

// TestMigrateAtOnce has several programs make the same new database.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				db, err := store.Open(context.Background(), o)
				if err != nil {
					t.Error(err)
					return
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		rows, err := store.Query(storetest.Open(t, o), 1, "SELECT version FROM schema_version ORDER BY version")
		if err != nil || len(rows) != store.Latest() {
			t.Errorf("versions %v, %v; want each once", rows, err)
		}
	})
}

func TestWrongKeyset(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		o.Keys = storetest.Keys(t, filepath.Join(t.TempDir()))
		_, err = store.Open(t.Context(), o)
		wantKind(t, "another keyset", err, parley.KindInvalid)
		if err == nil || !strings.Contains(err.Error(), "keyset") {
			t.Errorf("error %v does not speak of the keyset", err)
		}
	})
}

// TestTablesOf guards the harness itself.
func TestTablesOf(t *testing.T) {
	t.Parallel()
	if tables := store.TablesOf(1); len(tables) < 20 || !slices.Contains(tables, "message") {
		t.Errorf("tables %v", tables)
	}
}
