package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/parley-im/parley/bench/fill"
)

// A past is a database with a history.
type past struct {
	Messages      int64     `json:"messages"`
	Conversations int64     `json:"conversations"`
	Jobs          int64     `json:"jobs"`
	Token         string    `json:"token"`
	FilledAt      time.Time `json:"filled_at"`
}

// How long a filled database can be used: afterwards retention would begin to
// delete, or the jobs expire, and something else would be measured.
const (
	pastAge     = 5 * 24 * time.Hour
	pastJobsAge = 12 * time.Hour
)

// pastFile, in the data directory, says that a history is complete.
const pastFile = "history.json"

// history returns the data directory with a history, and its token. It is filled
// the first time, and again when it is too old. Whoever changes it works on a copy,
// unless the change is small beside it.
func (s *suite) history(ctx context.Context, p past) (data, token string, err error) {
	data = filepath.Join(s.Dir, fmt.Sprintf("history-%d-%d-%d", p.Messages, p.Conversations, p.Jobs))
	if had, err := readPast(data); err == nil && had.fresh() {
		return data, had.Token, nil
	}
	if err := os.RemoveAll(data); err != nil {
		return "", "", err
	}
	s.logf("filling %d messages over %d conversations, once", p.Messages, p.Conversations)
	begun := time.Now()
	filled, err := fill.Fill(ctx, fill.Options{Data: data, Messages: p.Messages, Conversations: p.Conversations, Jobs: p.Jobs, Progress: s.Progress})
	if err != nil {
		return "", "", fmt.Errorf("fill: %w", err)
	}
	s.filling += time.Since(begun)
	p.Token, p.FilledAt = filled.Token, time.Now()
	b, err := json.Marshal(&p)
	if err != nil {
		return "", "", err
	}
	return data, p.Token, os.WriteFile(filepath.Join(data, pastFile), b, 0o600)
}

func readPast(data string) (p past, err error) {
	b, err := os.ReadFile(filepath.Join(data, pastFile))
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(b, &p)
}

func (p *past) fresh() bool {
	age := time.Since(p.FilledAt)
	return age < pastAge && (p.Jobs == 0 || age < pastJobsAge)
}

// copyOf copies a data directory that no gateway uses, and returns what removes the
// copy.
func (s *suite) copyOf(data string) (copied string, remove func(), err error) {
	copied, err = os.MkdirTemp(s.scratch, "copy-*")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(copied) } // in the scratch directory, which goes as a whole
	for _, name := range []string{"parley.db", "keyset.json"} {
		if err := copyFile(filepath.Join(copied, name), filepath.Join(data, name)); err != nil {
			remove()
			return "", nil, err
		}
	}
	return copied, remove, nil
}

// copyFile copies and waits until the copy is on the disk: what is measured next
// must not wait for it.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// postgresHistory fills a new database on PostgreSQL.
func (s *suite) postgresHistory(ctx context.Context, p past) (at place, token string, remove func(), err error) {
	at, remove, err = s.newPlace(ctx, postgres)
	if err != nil {
		return at, "", nil, err
	}
	s.logf("filling %d messages over %d conversations", p.Messages, p.Conversations)
	begun := time.Now()
	filled, err := fill.Fill(ctx, fill.Options{Data: at.data, Database: at.database, Messages: p.Messages, Conversations: p.Conversations, Jobs: p.Jobs, Progress: s.Progress})
	if err != nil {
		remove()
		return at, "", nil, fmt.Errorf("fill: %w", err)
	}
	s.filling += time.Since(begun)
	return at, filled.Token, remove, nil
}
