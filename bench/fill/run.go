package fill

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Run is the command bench fill.
func Run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, os.Stdout, os.Stderr)
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o := Options{Progress: progress}
	fs := flag.NewFlagSet("fill", flag.ContinueOnError)
	fs.SetOutput(progress)
	fs.StringVar(&o.Data, "data", "./data", "`directory` of the SQLite file and the keyset")
	fs.StringVar(&o.Database, "database", "", "postgres://… `URL` instead of SQLite in the data directory")
	fs.Int64Var(&o.Messages, "messages", DefaultMessages, "how many messages, received and sent")
	fs.Int64Var(&o.Conversations, "conversations", 0, "how many conversations (default one for every 100 messages, at most 100000)")
	fs.Int64Var(&o.Jobs, "jobs", 0, "how many of the messages, the newest, have yet to be sent")
	fs.Int64Var(&o.Backlog, "backlog", 0, "how many events, the newest, have yet to be delivered to -webhook")
	fs.StringVar(&o.Webhook, "webhook", "", "webhook_url of the company")
	fs.Int64Var(&o.ChatBase, "chat-base", DefaultChatBase, "first chat id")
	fs.StringVar(&o.Bot, "bot", DefaultBot, "`token` of the Telegram bot")
	tokenFile := fs.String("token-file", "", "`file` for the API token, instead of printing it")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil // it was printed
	case err != nil:
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("fill takes flags only, got %q", fs.Arg(0))
	}
	if o.Messages == 0 {
		return errors.New("-messages: want at least 1")
	}
	r, err := Fill(ctx, o)
	if err != nil {
		return err
	}
	if *tokenFile != "" {
		if err := os.WriteFile(*tokenFile, []byte(r.Token+"\n"), 0o600); err != nil {
			return fmt.Errorf("write the token: %w", err)
		}
		r.Token = "in " + *tokenFile
	}
	return r.print(out, o.Messages)
}

func (r *Result) print(w io.Writer, messages int64) error {
	_, err := fmt.Fprintf(w, "company  %d\nchannel  %d\ntoken    %s\nrows     %d\nsize     %.1f MB, %d bytes for each message\ntook     %v\n",
		r.Company, r.Channel, r.Token, r.Rows, float64(r.Size)/1e6, r.Size/messages, r.Took.Round(time.Millisecond))
	return err
}

// account is the id of the bot, which its token begins with.
func (o *Options) account() string {
	id, _, _ := strings.Cut(o.Bot, ":")
	return id
}
