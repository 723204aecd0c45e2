package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A keysWorld is a gateway that is killed while companies are made under keys.
type keysWorld struct {
	t       *testing.T
	ctx     context.Context
	rng     *rand.Rand
	gateway *crashGateway
	token   string
	asked   chan struct{} // the receiver was asked for a test
}

// crashKeys kills the gateway in the middle of requests under an Idempotency-Key:
// what they do, they do once, and what nobody can know is said to be unknown.
func crashKeys(t *testing.T, binary string, postgres bool, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(t.Context(), crashTime)
	defer cancel()
	c := &crashCase{postgres: postgres, polled: true}
	w := &crashWorld{t: t, ctx: ctx, rules: c, rng: rng}
	k := &keysWorld{t: t, ctx: ctx, rng: rng, gateway: w.newGateway(binary, "http://127.0.0.1:1"), asked: make(chan struct{}, 100)}
	t.Cleanup(func() { k.gateway.kill() })
	k.token = k.gateway.command(t, "token", "create", "--user", "acme")
	k.start()
	k.unknown()
	for n := range 8 {
		k.exactlyOnce(fmt.Sprint("key ", n))
	}
	k.gateway.stop(ctx, t)
	k.gateway.complaints(t)
}

func (k *keysWorld) start() {
	k.t.Helper()
	k.gateway.start(k.t)
	k.gateway.ready(k.ctx, k.t)
}

// unknown kills while the webhook address of a new company is being tested.
func (k *keysWorld) unknown() {
	k.t.Helper()
	end := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		k.asked <- struct{}{}
		select {
		case <-end:
		case <-r.Context().Done():
		}
	}))
	defer receiver.Close()
	defer close(end)
	form := url.Values{"name": {"unknown"}, "webhook_url": {receiver.URL}}
	gone := make(chan struct{})
	go func() { // ends when the gateway is killed
		defer close(gone)
		_, _ = k.create("unknown", form)
	}()
	<-k.asked
	k.gateway.kill()
	<-gone
	k.start()
	for range 2 {
		if code, body := k.create("unknown", form); code != http.StatusConflict || !strings.Contains(body, "outcome unknown") {
			k.t.Errorf("repeat after the kill: %d %s", code, body)
		}
	}
	if n := k.companies("unknown"); n != 0 {
		k.t.Errorf("%d companies whose address was never tested", n)
	}
}

// exactlyOnce kills at any instant of a request, and repeats it until it is
// answered.
func (k *keysWorld) exactlyOnce(key string) {
	k.t.Helper()
	form := url.Values{"name": {key}, "description": {strings.Repeat("x", 1+k.rng.IntN(1000))}}
	first := make(chan string, 1)
	go func() { // ends when it is answered, or the gateway is killed
		code, body := k.create(key, form)
		if code != http.StatusOK {
			body = ""
		}
		first <- body
	}()
	time.AfterFunc(time.Duration(k.rng.IntN(4000))*time.Microsecond, func() { k.gateway.kill() })
	before := <-first
	k.gateway.kill()
	k.start()
	code, body := k.create(key, form)
	if code == http.StatusConflict && before == "" && strings.Contains(body, "outcome unknown") {
		if n := k.companies(key); n != 0 { // killed between the word that it begins and its effect
			k.t.Errorf("%s made %d companies, and its outcome is unknown", key, n)
		}
		return
	}
	if code != http.StatusOK || before != "" && before != body {
		k.t.Errorf("%s: got %q before the kill, and then %d %s", key, before, code, body)
	}
	if n := k.companies(key); n != 1 {
		k.t.Errorf("%s made %d companies", key, n)
	}
}

// create asks for a company under a key. The code is 0 if there was no answer.
func (k *keysWorld) create(key string, form url.Values) (code int, body string) {
	return k.call(http.MethodPost, "/p1/companies", key, form)
}

func (k *keysWorld) call(method, path, key string, form url.Values) (code int, body string) {
	k.gateway.mu.Lock()
	base := k.gateway.base
	k.gateway.mu.Unlock()
	r, err := http.NewRequestWithContext(k.ctx, method, base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("X-Private-Api-Token", k.token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// companies counts those of a name.
func (k *keysWorld) companies(name string) int {
	k.t.Helper()
	_, body := k.call(http.MethodGet, "/p1/companies?per=100", "", nil)
	var a struct {
		Data struct{ Companies []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		k.t.Fatal(err)
	}
	n := 0
	for _, c := range a.Data.Companies {
		if c.Name == name {
			n++
		}
	}
	return n
}
