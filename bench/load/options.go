// Package load generates load for a messaging gateway and measures how it is
// answered. It plays the messenger that posts callbacks and the application that
// asks for messages to be sent; a sink (package sink), asked before and after a
// run, tells what came out at the other end.
//
// It knows no particular gateway: addresses, bodies and headers are templates.
package load

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Kinds of messages that a sink tells apart.
const (
	KindSend    = "send"    // sent through the messenger's API
	KindWebhook = "webhook" // posted to the customer's receiver
)

// TelegramText is the body of a text message as Telegram's Bot API posts it to a
// bot's callback.
const TelegramText = `{"update_id":{id},"message":{"message_id":{id},` +
	`"from":{"id":{chat},"is_bot":false,"first_name":"Ann","last_name":"Lee","username":"user{chat}","language_code":"en"},` +
	`"chat":{"id":{chat},"first_name":"Ann","last_name":"Lee","username":"user{chat}","type":"private"},` +
	`"date":{unix},"text":"{text}"}}`

// Ways to choose the chat of a message.
const (
	SpreadUniform = "uniform" // one chat after the other
	SpreadZipf    = "zipf"    // few chats have most of the messages, as people do
)

// Options describe a run.
type Options struct {
	Bench string // the kind of run, copied to the result
	Label string // the run's name, copied to the result

	// URL, Body and Header are templates: {id} {chat} {key} {key2} {seq} {run}
	// {unix} {text} are replaced by the message's values. Header has "Name: value".
	Method string
	URL    string
	Body   string
	Header []string

	Conns    int           // concurrent connections
	Count    int64         // stop after so many requests, of all parts; 0: by Duration alone
	Duration time.Duration // stop after this long, the warm-up not counted
	Warmup   time.Duration // what is sent in this time is not in the result
	Rate     float64       // requests per second; 0: each connection as fast as it is answered
	Timeout  time.Duration // of one request

	Chats    int64    // distinct chats; each belongs to one connection
	ChatBase int64    // the first chat's id
	Spread   string   // SpreadUniform or SpreadZipf
	Keys     []string // {key} of the chats, from the first again when they run out; after a tab, {key2}
	Text     string

	Mix []Part // requests that are not valid messages, among those that are

	Sink string        // base address of a sink to reset before the run and to wait for after it
	Kind string        // what the sink receives as a consequence: KindSend or KindWebhook
	Wait time.Duration // how long to wait for the sink

	Pids Watched // whose CPU time and memory are reported
}

// Default are options that lack only an address.
func Default() Options {
	return Options{
		Method:   http.MethodPost,
		Body:     TelegramText,
		Conns:    16,
		Duration: 20 * time.Second,
		Timeout:  30 * time.Second,
		Chats:    1000,
		ChatBase: 1_000_000,
		Spread:   SpreadUniform,
		Text:     "Hello, is my order on its way?",
		Kind:     KindWebhook,
		Wait:     2 * time.Minute,
		Pids:     Watched{},
	}
}

func (o *Options) validate() (*url.URL, error) {
	base, err := url.Parse(o.URL)
	switch {
	case err != nil || base.Host == "":
		return nil, errors.New("the url must be an absolute one")
	case o.Conns < 1 || o.Chats < 1 || o.Duration <= 0:
		return nil, errors.New("connections, chats and duration must be positive")
	case o.Chats < int64(o.Conns):
		return nil, errors.New("there must be a chat for every connection at least: a chat belongs to one connection")
	case o.Sink != "" && o.Kind != KindSend && o.Kind != KindWebhook:
		return nil, errors.New("what the sink receives must be send or webhook")
	case o.Spread != SpreadUniform && o.Spread != SpreadZipf:
		return nil, errors.New("the spread must be uniform or zipf")
	case len(o.Keys) == 0 && o.needsKeys():
		return nil, errors.New("{key} needs a file of keys")
	}
	return base, validMix(o.Mix)
}

func (o *Options) needsKeys() bool {
	for _, s := range append([]string{o.URL, o.Body}, o.Header...) {
		if t := parseTemplate(s); t.names("key") || t.names("key2") {
			return true
		}
	}
	return false
}
