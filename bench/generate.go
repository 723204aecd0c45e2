package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/parley-im/parley/bench/load"
)

// headers collects the values of a repeatable flag.
type headers struct{ list *[]string }

func (h headers) String() string { return "" }

func (h headers) Set(s string) error {
	if !strings.Contains(s, ":") || strings.ContainsAny(s, "\r\n") {
		return errors.New("want Name: value")
	}
	*h.list = append(*h.list, s)
	return nil
}

// loadFlags are the flags of every command that generates load.
func loadFlags(fs *flag.FlagSet, o *load.Options) {
	fs.StringVar(&o.Label, "label", o.Label, "name of this run, copied to the result")
	fs.StringVar(&o.URL, "url", o.URL, "URL `template`; {id} {chat} {key} {key2} {seq} {run} {unix} {text} are replaced, here, in -body and in -H")
	fs.Var(headers{&o.Header}, "H", "extra `header` (repeatable)")
	fs.IntVar(&o.Conns, "c", o.Conns, "concurrent connections")
	fs.Int64Var(&o.Count, "n", o.Count, "stop after this many requests (0: by -d alone)")
	fs.DurationVar(&o.Duration, "d", o.Duration, "stop after this long, warm-up not counted")
	fs.DurationVar(&o.Warmup, "warmup", o.Warmup, "leave the first requests out of the result for this long")
	fs.Float64Var(&o.Rate, "rate", o.Rate, "requests per second (0: closed loop, each connection as fast as it is answered)")
	fs.DurationVar(&o.Timeout, "timeout", o.Timeout, "limit of one request")
	fs.Int64Var(&o.Chats, "chats", o.Chats, "distinct chats (with -keys and without this: as many as keys)")
	fs.Int64Var(&o.ChatBase, "chat-base", o.ChatBase, "first chat id")
	fs.StringVar(&o.Spread, "spread", o.Spread, "how chats are chosen: uniform or zipf")
	fs.Func("keys", "`file` with a line for each chat: its {key} and, after a tab, its {key2}; used from the start again when there are more chats", func(name string) (err error) {
		o.Keys, err = readKeys(name)
		return err
	})
	fs.Var(o.Pids, "pid", "`name=pid` of a process tree to report CPU and memory of (repeatable)")
}

// bodyFlags are the flags of commands that send messages.
func bodyFlags(fs *flag.FlagSet, o *load.Options) {
	fs.StringVar(&o.Body, "body", o.Body, "body `template`")
	fs.StringVar(&o.Text, "text", o.Text, "start of the message's text")
	fs.StringVar(&o.Sink, "sink", o.Sink, "base `URL` of a bench sink to reset before the run and to wait for after it")
	fs.DurationVar(&o.Wait, "wait", o.Wait, "how long to wait for the sink")
}

// parse parses the flags; with keys, there are as many chats unless -chats says
// otherwise.
func parse(fs *flag.FlagSet, o *load.Options, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	told := false
	fs.Visit(func(f *flag.Flag) { told = told || f.Name == "chats" })
	if n := int64(len(o.Keys)); n > 0 && !told {
		o.Chats = n
	}
	return nil
}

func readKeys(name string) ([]string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	keys := strings.FieldsFunc(string(b), func(c rune) bool { return c == '\n' || c == '\r' })
	if len(keys) == 0 {
		return nil, errors.New("there are no keys in it")
	}
	return keys, nil
}

func inbound(args []string) error {
	o := load.Default()
	o.Bench, o.Kind = "inbound", load.KindWebhook
	o.Header = []string{"Content-Type: application/json"}
	fs := flag.NewFlagSet(o.Bench, flag.ExitOnError)
	loadFlags(fs, &o)
	bodyFlags(fs, &o)
	mix := fs.String("mix", "", "`shares` of other requests, such as garbage=0.1,duplicate=0.1,oversized=0.01,forged=0.1")
	forged := fs.String("forged", load.TelegramSecret+": wrong", "the `header` that forged requests have instead of theirs")
	if err := parse(fs, &o, args); err != nil {
		return err
	}
	if *mix != "" {
		var err error
		if o.Mix, err = load.ParseMix(*mix, *forged); err != nil {
			return err
		}
	}
	return generate(o)
}

func outbound(args []string) error {
	o := load.Default()
	o.Bench, o.Kind = "outbound", load.KindSend
	o.Body = `{"to":"{chat}","text":"{text}"}`
	fs := flag.NewFlagSet(o.Bench, flag.ExitOnError)
	loadFlags(fs, &o)
	bodyFlags(fs, &o)
	contentType := fs.String("content-type", "application/json", "of the body")
	if err := parse(fs, &o, args); err != nil {
		return err
	}
	o.Header = append(o.Header, "Content-Type: "+*contentType)
	return generate(o)
}

func get(args []string) error {
	o := load.Default()
	o.Bench, o.Method, o.Body = "get", http.MethodGet, ""
	fs := flag.NewFlagSet(o.Bench, flag.ExitOnError)
	loadFlags(fs, &o)
	if err := parse(fs, &o, args); err != nil {
		return err
	}
	return generate(o)
}

// generate runs the load and prints the result, as a line of JSON and for people.
func generate(o load.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	res, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	line, err := json.Marshal(res)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n\n", line)
	res.Text(os.Stdout)
	return nil
}
