package suite

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// The databases, as the figures name them.
const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// createDatabase makes an empty database beside the one given, and returns its
// address and what drops it.
func createDatabase(ctx context.Context, admin string) (address string, drop func(), err error) {
	u, err := url.Parse(admin)
	if err != nil {
		return "", nil, fmt.Errorf("the address of PostgreSQL: %w", err)
	}
	name := fmt.Sprintf("parley_bench_%d_%d", os.Getpid(), time.Now().UnixNano())
	if err := execute(ctx, admin, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() {
		// Also after the suite was interrupted. What remains is named after its process.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := execute(ctx, admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			fmt.Fprintln(os.Stderr, "bench: drop the database:", err)
		}
	}, nil
}

func execute(ctx context.Context, address, query string) error {
	c, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, query); err != nil {
		return fmt.Errorf("PostgreSQL: %s: %w", query, err)
	}
	return nil
}

// serverPID is the process that all of PostgreSQL's are children of, so that its
// CPU time is not taken for somebody else's; 0 if it is on another machine.
func serverPID(ctx context.Context, address string) (int, error) {
	c, err := pgx.Connect(ctx, address)
	if err != nil {
		return 0, fmt.Errorf("PostgreSQL: %w", err)
	}
	defer c.Close(ctx)
	var backend int
	if err := c.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return 0, fmt.Errorf("PostgreSQL: %w", err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", backend))
	if err != nil || !strings.Contains(string(b), "(postgres)") {
		return 0, nil
	}
	_, rest, _ := strings.Cut(string(b), "(postgres) ")
	fields := strings.Fields(rest) // state, parent, …
	if len(fields) < 2 {
		return 0, nil
	}
	return strconv.Atoi(fields[1])
}
