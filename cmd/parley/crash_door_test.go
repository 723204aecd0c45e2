package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// A crashAsked is a request of the gateway to send a text.
type crashAsked struct {
	run  int // of which process
	chat int64
	n    int  // place among all requests
	cut  bool // the messenger hung up instead of answering
}

// A crashDoor stands before the simulator: it remembers which process asked for
// what, and knows the instants at which a process may die.
type crashDoor struct {
	world *crashWorld

	mu    sync.Mutex
	asked map[string][]crashAsked // by text
	n     int
}

// ServeHTTP takes /run/{number}/bot{token}/{method}.
func (d *crashDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/run/"), "/")
	run, err := strconv.Atoi(number)
	if err != nil {
		http.Error(w, "no such place", http.StatusNotFound)
		return
	}
	r.URL.Path = "/" + rest
	switch {
	case strings.HasSuffix(rest, "/"+d.world.rules.method()):
		d.send(w, r, run)
		return
	case strings.HasPrefix(rest, "file/"):
		d.download(w, r)
		return
	case strings.HasSuffix(rest, "/getUpdates"):
		d.world.instant.pass(crashPollAsked)
	}
	d.world.sim.ServeHTTP(w, r)
}

func (d *crashDoor) send(w http.ResponseWriter, r *http.Request, run int) {
	defer under(&d.world.flight.sends)()
	body, err := d.read(r)
	if err != nil {
		return // half a request of a process that is dead
	}
	text, chat, err := crashSaid(r, body)
	if err != nil {
		return
	}
	d.note(text, crashAsked{run: run, chat: chat})
	r.Body = io.NopCloser(bytes.NewReader(body))
	d.world.instant.pass(crashSendArrived)
	answer := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			d.cut(text)
			panic(p)
		}
	}()
	d.world.sim.ServeHTTP(answer, r)
	d.world.instant.pass(crashSendTaken)
	w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a process that is dead needs no answer
}

// crashSaid reads what a request is to send.
func crashSaid(r *http.Request, body []byte) (text string, chat int64, err error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return crashCaption(r, body)
	}
	var m struct {
		Chat int64  `json:"chat_id"`
		Text string `json:"text"`
	}
	err = json.Unmarshal(body, &m)
	return m.Text, m.Chat, err
}

func (d *crashDoor) note(text string, a crashAsked) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n++
	a.n = d.n
	d.asked[text] = append(d.asked[text], a)
}

func (d *crashDoor) cut(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.asked[text]
	list[len(list)-1].cut = true
}

// crashCallbacks carries the simulator's callbacks.
type crashCallbacks struct {
	world *crashWorld
	base  http.Transport
}

// RoundTrip makes one.
func (c *crashCallbacks) RoundTrip(r *http.Request) (*http.Response, error) {
	defer under(&c.world.flight.callbacks)()
	resp, err := c.base.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusOK {
		c.world.instant.pass(crashCallbackTaken)
	}
	return resp, err
}
