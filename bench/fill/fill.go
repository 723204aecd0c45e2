package fill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

// Defaults of Options.
const (
	DefaultMessages = 10_000_000
	DefaultChatBase = 1_000_000 // as the load generator has it
	DefaultBot      = "123456:history-of-the-benchmarks"

	messagesEach  = 100     // in a conversation, if nothing is said
	conversations = 100_000 // at most, if nothing is said
)

// Options say what is filled, and how. Data is required.
type Options struct {
	Data     string // directory of the keyset, and of the SQLite file
	Database string // postgres://… instead of SQLite

	Messages      int64  // received and sent ones; 0 is DefaultMessages
	Conversations int64  // 0 is one for every hundred messages, at most 100,000
	Jobs          int64  // how many of the messages, the newest, have yet to be sent
	Backlog       int64  // how many events, the newest, have yet to be delivered; needs Webhook
	Webhook       string // the company's webhook_url; empty is none
	ChatBase      int64  // Telegram's id of the first chat; 0 is DefaultChatBase
	Bot           string // the bot's token; empty is DefaultBot

	Progress io.Writer // is told how it goes; nil is nobody
}

// A Result is what was filled.
type Result struct {
	Company parley.CompanyID
	Channel parley.ChannelID
	Token   string // of the API
	Rows    int64
	Size    int64 // of the database, in bytes
	Took    time.Duration
}

func (o *Options) setDefaults() {
	o.Messages = cmp.Or(o.Messages, DefaultMessages)
	o.Conversations = cmp.Or(o.Conversations, max(1, min(o.Messages/messagesEach, conversations)))
	o.ChatBase = cmp.Or(o.ChatBase, DefaultChatBase)
	o.Bot = cmp.Or(o.Bot, DefaultBot)
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

func (o *Options) validate() error {
	switch {
	case o.Data == "":
		return errors.New("data: want a directory")
	case o.Messages < 1 || o.Conversations < 1:
		return errors.New("messages, conversations: want at least 1")
	case o.Jobs < 0 || o.Backlog < 0 || o.ChatBase < 0:
		return errors.New("jobs, backlog, chat base: want 0 or more")
	case o.Messages-o.Jobs < o.Conversations:
		return fmt.Errorf("messages: want at least %d, one that was received in each conversation besides the jobs", o.Conversations+o.Jobs)
	case o.Backlog > 0 && o.Webhook == "":
		return errors.New("backlog: without a webhook there is none")
	}
	return nil
}

// Fill makes a database and fills it. It fails if there is a database already. What
// an error leaves behind is no database: it has to be removed.
func Fill(ctx context.Context, o Options) (Result, error) { return fillUntil(ctx, o, time.Now()) }

// fillUntil is Fill with the time at which the history ends.
func fillUntil(ctx context.Context, o Options, now time.Time) (Result, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return Result{}, err
	}
	begun := time.Now()
	places, err := o.place(ctx)
	if err != nil {
		return Result{}, err
	}
	h := newHistory(&o, now)
	if err := h.found(ctx, places); err != nil {
		return Result{}, fmt.Errorf("make company and channel: %w", err)
	}
	t, err := openTarget(ctx, places)
	if err != nil {
		return Result{}, err
	}
	r := Result{Company: h.company, Channel: h.channel.ID, Token: h.token}
	r.Rows, err = h.fill(ctx, t, begun)
	if err == nil {
		r.Size, err = t.size(ctx)
	}
	r.Took = time.Since(begun)
	return r, errors.Join(err, t.close(ctx))
}

// place returns where the database will be, and fails if there is one.
func (o *Options) place(ctx context.Context) (store.Options, error) {
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return store.Options{}, fmt.Errorf("make the data directory: %w", err)
	}
	keys, err := seal.OpenOrCreate(filepath.Join(o.Data, "keyset.json"))
	if err != nil {
		return store.Options{}, fmt.Errorf("open the keyset: %w", err)
	}
	p := store.Options{Path: filepath.Join(o.Data, "parley.db"), URL: o.Database, Keys: keys}
	facts, err := store.Examine(ctx, p)
	if err != nil {
		return p, err
	}
	if facts.Version != 0 {
		return p, errors.New("there is a database already: name another place, or remove it")
	}
	return p, nil
}

// A target is a database that takes rows in bulk. Nothing else may use it
// meanwhile.
type target interface {
	// firstID returns the first id that the gateway has not given out.
	firstID(ctx context.Context) (int64, error)
	// add writes rows of one table: as many values for each as it has columns.
	add(ctx context.Context, t *table, values []any) error
	// finish makes everything durable, and the gateway go on behind it.
	finish(ctx context.Context, e end) error
	size(ctx context.Context) (int64, error)
	close(ctx context.Context) error
}

// An end is where the history ends.
type end struct {
	company parley.CompanyID
	nextID  int64
	seq     int64 // of the newest event
	cursor  int64 // of the company's endpoint
}

func openTarget(ctx context.Context, p store.Options) (target, error) {
	if p.URL != "" {
		return openPostgres(ctx, p.URL)
	}
	return openSQLite(ctx, p.Path)
}

// fill writes the history and returns how many rows it has.
func (h *history) fill(ctx context.Context, t target, begun time.Time) (rows int64, err error) {
	if h.nextID, err = t.firstID(ctx); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer func() { cancel(); working.Wait() }()
	chunks := make(chan *chunk, 2) // so that the next ones are made while one is written
	working.Go(func() { h.make(ctx, chunks) })

	p := newProgress(h.o.Progress, h.o.Messages, begun)
	for c := range chunks {
		for _, part := range c.parts() {
			if err := t.add(ctx, part.table, part.values); err != nil {
				return rows, fmt.Errorf("write rows of %s: %w", part.table.name, err)
			}
			rows += part.rows()
			p.rows += part.rows()
		}
		p.done(c.count)
	}
	if err := ctx.Err(); err != nil {
		return rows, err
	}
	p.say("finishing")
	return rows, t.finish(ctx, end{company: h.company, nextID: h.nextID, seq: h.seq, cursor: h.seq - h.o.Backlog})
}

// make hands over the history from its beginning to its end.
func (h *history) make(ctx context.Context, chunks chan<- *chunk) {
	defer close(chunks)
	for !h.ended() {
		select {
		case chunks <- h.next():
		case <-ctx.Done():
			return
		}
	}
}
