package lease_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/lease"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

func take(ctx context.Context, db *store.DB, node string, wait time.Duration) (*lease.Lease, error) {
	return lease.Take(ctx, lease.Options{Rows: db, Node: node, Wait: wait, Holder: store.Holder, Log: slog.New(slog.DiscardHandler)})
}

func TestTakeAfterAnother(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		_, company := storetest.Company(t, db, "acme", "")
		first, err := take(t.Context(), db, "a", 0)
		if err != nil {
			t.Fatal(err)
		}
		old, ok := first.Grant(company)
		if !ok {
			t.Fatal("the holder has no grant")
		}
		if _, err := take(t.Context(), db, "b", 0); parley.KindOf(err) != parley.KindConflict {
			t.Fatalf("second node: %v, want a conflict", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := first.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if _, ok := first.Grant(company); ok {
			t.Error("a node that left still has a grant")
		}
		second, err := take(t.Context(), db, "b", 0)
		if err != nil {
			t.Fatal(err)
		}
		grant, _ := second.Grant(company)
		if grant.Term <= old.Term {
			t.Errorf("term %d after %d, want it to rise", grant.Term, old.Term)
		}
		err = db.SaveSessionState(t.Context(), company, storetest.Channel(t, db, company, "1").ID, old, "x", []byte("y"))
		if parley.KindOf(err) != parley.KindConflict {
			t.Errorf("a write under the old term: %v, want a conflict", err)
		}
	})
}

// TestStatic has no heartbeat: a crash leaves nothing to wait for, and the lease
// does not run out.
func TestStatic(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLite(t))
	for _, node := range []string{"a", "b"} {
		l, err := lease.Take(t.Context(), lease.Options{Rows: db, Node: node, Static: true, Holder: store.Holder, Log: slog.New(slog.DiscardHandler),
			Now: func() time.Time { return time.Now().Add(time.Duration(len(node)) * time.Hour) }})
		if err != nil {
			t.Fatal(err)
		}
		if !l.Held() {
			t.Errorf("node %s does not hold its lease", node)
		}
	}
}

// rows plays the database for tests of time.
type rows struct{ beat error }

func (r *rows) TakeShards(context.Context, string, time.Duration) ([]parley.Grant, error) {
	return []parley.Grant{{Shard: 1, Term: 7}}, nil
}
func (r *rows) Beat(context.Context, string, time.Duration) error { return r.beat }
func (r *rows) Leave(context.Context, string) error               { return nil }

func TestTrust(t *testing.T) {
	tests := []struct {
		name string
		beat error
		lost bool // Run returns by itself
		held bool // after a long time
	}{
		{"renewed", nil, false, true},
		{"database gone", parley.Errorf(parley.KindUnavailable, "gone"), false, false},
		{"taken over", parley.Errorf(parley.KindConflict, "taken"), true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, err := lease.Take(t.Context(), lease.Options{Rows: &rows{beat: tt.beat}, Node: "a", Log: slog.New(slog.DiscardHandler),
					Holder: func(error) (string, bool) { return "", false }})
				if err != nil {
					t.Fatal(err)
				}
				if g, ok := l.ShardGrant(1); !ok || g != (parley.Grant{Shard: 1, Term: 7}) {
					t.Fatalf("grant %v %v at first", g, ok)
				}
				if _, ok := l.ShardGrant(2); ok {
					t.Error("a grant for a shard of somebody else")
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- l.Run(ctx) }()
				<-time.After(time.Minute) // of the bubble's clock
				synctest.Wait()
				if l.Held() != tt.held {
					t.Errorf("held %v, want %v", l.Held(), tt.held)
				}
				cancel()
				if err := <-done; (err != nil) != tt.lost {
					t.Errorf("run: %v", err)
				}
			})
		})
	}
}
