// Package storetest runs tests on every database that Parley supports, and makes
// the rows that they start from. It is for tests only.
package storetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

// PostgresEnv is the environment variable with the address of a PostgreSQL
// server on which the tests may make schemas. Without it they run on SQLite
// alone.
const PostgresEnv = "PARLEY_TEST_POSTGRES"

// Each runs f on a fresh database of each sort.
func Each(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	EachOptions(t, func(t *testing.T, o store.Options) { f(t, Open(t, o)) })
}

// EachOptions runs f with the place of a fresh, unopened database of each sort,
// for tests that open it several times, or with options of their own.
func EachOptions(t *testing.T, f func(t *testing.T, o store.Options)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, Postgres(t))
	})
}

// SQLite returns the place of a fresh SQLite database.
func SQLite(tb testing.TB) store.Options {
	tb.Helper()
	dir := tb.TempDir()
	return store.Options{Path: filepath.Join(dir, "parley.db"), Keys: Keys(tb, dir)}
}

// Keys returns a keyset in dir.
func Keys(tb testing.TB, dir string) *seal.Keyset {
	tb.Helper()
	keys, err := seal.OpenOrCreate(filepath.Join(dir, "keyset.json"))
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// HasPostgres reports whether [Postgres] returns something, or fails for want of it.
func HasPostgres() bool { return os.Getenv(PostgresEnv) != "" || os.Getenv("CI") != "" }

var schemas atomic.Int64

// Postgres returns the place of a fresh schema on PostgreSQL, which is dropped at
// the end of the test: to the store it is a database of its own, and it takes
// milliseconds to make. Its name is the application name of the connections.
// Without a server the test is skipped; in CI it fails.
func Postgres(tb testing.TB) store.Options {
	tb.Helper()
	server := os.Getenv(PostgresEnv)
	if server == "" {
		if os.Getenv("CI") != "" {
			tb.Fatalf("%s is not set: CI must test PostgreSQL", PostgresEnv)
		}
		tb.Skipf("set %s to a server's address to run this on PostgreSQL", PostgresEnv)
	}
	name := fmt.Sprintf("parley_test_%d_%d_%d", os.Getpid(), time.Now().UnixNano(), schemas.Add(1))
	admin(tb, server, "CREATE SCHEMA "+name)
	tb.Cleanup(func() { admin(tb, server, "DROP SCHEMA IF EXISTS "+name+" CASCADE") })
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	q.Set("application_name", name)
	q.Set("synchronous_commit", "off") // no test pulls the plug
	u.RawQuery = q.Encode()
	return store.Options{URL: u.String(), Keys: Keys(tb, tb.TempDir())}
}

func admin(tb testing.TB, server, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		tb.Fatalf("%s: %v", strings.Fields(statement)[0], err)
	}
}

// Open opens a database and closes it at the end of the test.
func Open(tb testing.TB, o store.Options) *store.DB {
	tb.Helper()
	db, err := store.Open(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

// Own takes all shards for a node and returns its grants.
func Own(tb testing.TB, db *store.DB, node string) Grants {
	tb.Helper()
	list, err := db.TakeShards(context.Background(), node, time.Millisecond)
	if err != nil {
		tb.Fatal(err)
	}
	grants := Grants{}
	for _, g := range list {
		grants[g.Shard] = g.Term
	}
	return grants
}

// Grants are a node's rights, as package lease gives them.
type Grants map[parley.Shard]parley.Term

// Grant returns the right to act for a company.
func (g Grants) Grant(id parley.CompanyID) (parley.Grant, bool) { return g.ShardGrant(id.Shard()) }

// ShardGrant returns the right to act for a shard's companies.
func (g Grants) ShardGrant(s parley.Shard) (parley.Grant, bool) {
	term, ok := g[s]
	return parley.Grant{Shard: s, Term: term}, ok
}

// Company makes a user with a company whose events go to url, if it is not empty.
func Company(tb testing.TB, db *store.DB, name, url string) (parley.UserID, parley.CompanyID) {
	tb.Helper()
	ctx := context.Background()
	user, company, err := db.EnsureUser(ctx, name)
	if err == nil {
		yes := true
		err = db.UpdateCompany(ctx, company, parley.CompanyChange{WebhookURL: &url, ExtendedEvents: &yes})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return user, company
}

// Channel makes an enabled telegram channel of an account.
func Channel(tb testing.TB, db *store.DB, company parley.CompanyID, account string) *parley.Channel {
	tb.Helper()
	ctx := context.Background()
	id, err := db.CreateChannel(ctx, &parley.Channel{
		Company: company, Provider: "telegram", Spelling: "telegram",
		Secrets: map[string]parley.Secret{
			"token":                    parley.Secret(account + ":secret-of-the-test"),
			parley.SecretCallbackPath:  parley.Secret(seal.NewSecretPath()),
			parley.SecretCallbackToken: parley.Secret(seal.NewSecretPath()),
		},
	})
	if err == nil {
		_, err = db.SetChannelState(ctx, store.ChannelMove{Channel: id, Company: company, To: parley.ChannelEnabled, Account: account})
	}
	if err != nil {
		tb.Fatal(err)
	}
	ch, err := db.Channel(ctx, id)
	if err != nil {
		tb.Fatal(err)
	}
	return ch
}
