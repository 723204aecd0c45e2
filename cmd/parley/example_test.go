package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

// A pigeonry is an example of a provider, as small as one can be: texts in by
// callback, texts out by one request. A real one is a package under provider/, has
// limits with their sources, a table of errors, and passes connectortest.
type pigeonry struct{}

// Spec names the fields of a channel; the API asks for them by itself.
func (pigeonry) Spec() connector.Spec {
	return connector.Spec{
		Name: "pigeon", Aliases: []string{"carrier_pigeon"}, Title: "Pigeon post", BaseURL: "https://pigeon.example", BaseEnv: "PIGEON_URL",
		Fields: []connector.Field{{Name: "loft", Required: true}, {Name: "whistle", Secret: true, Required: true}},
	}
}

// Open does no I/O.
func (pigeonry) Open(_ context.Context, ch *parley.Channel, env connector.Env) (connector.Client, error) {
	return &pigeon{env, ch.Settings["loft"], ch.Secrets["whistle"], ch.Secrets[parley.SecretCallbackToken]}, nil
}

// A pigeon is the client of one loft.
type pigeon struct {
	env            connector.Env
	loft           string
	whistle, token parley.Secret
}

var (
	_ connector.Verifier   = (*pigeon)(nil)
	_ connector.Subscriber = (*pigeon)(nil)
	_ connector.Receiver   = (*pigeon)(nil)
)

// Verify: the loft is the account.
func (p *pigeon) Verify(ctx context.Context) (connector.Account, error) {
	_, err := p.fly(ctx, "check", nil)
	return connector.Account{ID: p.loft}, err
}

// Subscribe gives the post our address.
func (p *pigeon) Subscribe(ctx context.Context, address string, token parley.Secret) error {
	_, err := p.fly(ctx, "subscribe", map[string]string{"address": address, "token": token.Reveal()})
	return err
}

// Unsubscribe takes it back.
func (p *pigeon) Unsubscribe(ctx context.Context) error {
	_, err := p.fly(ctx, "subscribe", nil)
	return err
}

// Plan makes one part of a text; a pigeon carries nothing else.
func (p *pigeon) Plan(m *parley.Message) ([]connector.Part, error) {
	if len(m.Files) > 0 {
		return nil, parley.Errorf(parley.KindUnsupported, "pigeons carry no files")
	}
	return []connector.Part{{Message: m, Count: 1, Text: m.Text}}, nil
}

// Send lets one pigeon go.
func (p *pigeon) Send(ctx context.Context, part connector.Part) (connector.Sent, error) {
	id, err := p.fly(ctx, "send", map[string]string{"to": part.Chat, "text": part.Text})
	return connector.Sent{ProviderID: id, Ack: parley.AckSent}, err
}

// fly makes a request and returns the id in the answer.
func (p *pigeon) fly(ctx context.Context, what string, body map[string]string) (string, error) {
	data, _ := json.Marshal(body) // strings cannot fail
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.env.Base+"/"+p.loft+"/"+what, bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	req.Header.Set("Whistle", p.whistle.Reveal())
	resp, err := p.env.HTTP.Do(req)
	if err != nil {
		return "", err // its kind says whether the request may have arrived
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ ID string }
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return "", parley.Errorf(parley.KindLoggedOut, "the post does not know the whistle")
	case resp.StatusCode != http.StatusOK:
		return "", parley.Errorf(parley.KindRejected, "the post refused the message")
	case json.NewDecoder(resp.Body).Decode(&answer) != nil:
		return "", parley.Errorf(parley.KindUncertain, "the post's answer cannot be read")
	}
	return answer.ID, nil
}

// Receive checks the token, then decodes; what it does not understand it hands on.
func (p *pigeon) Receive(_ context.Context, cb connector.Callback) ([]connector.Event, connector.Reply, error) {
	if p.token == "" || cb.Header.Get("Token") != p.token.Reveal() {
		return nil, connector.Reply{}, parley.Errorf(parley.KindUnauthorized, "wrong token")
	}
	var m struct{ ID, From, Name, Text string }
	if json.Unmarshal(cb.Body, &m) != nil || m.ID == "" || m.From == "" {
		return []connector.Event{{What: connector.Unknown{Reason: "not a message"}, Raw: cb.Body}}, connector.Reply{}, nil
	}
	return []connector.Event{{ID: m.ID, Chat: connector.Chat{ID: m.From}, From: connector.Person{ID: m.From, Name: m.Name},
		What: connector.Message{Text: m.Text}, Raw: cb.Body}}, connector.Reply{}, nil
}

// A pigeonPost is the simulator: it remembers what it was told.
type pigeonPost struct{ calls *simulator.Ring[pigeonCall] }

type pigeonCall struct {
	path, whistle string
	body          map[string]string
}

// ServeHTTP takes what the gateway asks for.
func (p *pigeonPost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := pigeonCall{path: r.URL.Path, whistle: r.Header.Get("Whistle")}
	if err := json.NewDecoder(r.Body).Decode(&c.body); err != nil || c.whistle != "tweet" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	p.calls.Append(func(uint64) pigeonCall { return c })
	_, _ = w.Write([]byte(`{"id":"p1"}`))
}

// pigeonTells makes a callback and returns the status of the answer.
func pigeonTells(s *stage, address, token, body string) int {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Token", token)
	return s.api.send(req).status
}

// TestExampleProvider gives a gateway one provider more and changes nothing else.
func TestExampleProvider(t *testing.T) {
	t.Parallel()
	post := &pigeonPost{simulator.NewRing[pigeonCall](100)}
	place := newHost(t, post)
	s := bareStage(t, "", func(c *config) {
		c.providers = func() []connector.Provider { return append(providers(), pigeonry{}) }
		c.bases["pigeon"] = place.url()
	})
	s.open()
	refused := s.api.do("POST", "/p1/"+s.path("/channels"), map[string][]string{"provider": {"pigeon"}, "loft": {"north"}})
	if refused.status != http.StatusBadRequest || !strings.Contains(string(refused.body), "whistle") {
		t.Errorf("without a whistle: %d %s", refused.status, refused.body)
	}
	s.channel = s.api.must("POST", s.path("/channels"), "provider", "carrier_pigeon", "loft", "north", "whistle", "tweet").ExternalID
	s.crm.system("authorized")
	call := await(t, "the subscription", post.calls, 0, func(c pigeonCall) bool { return c.path == "/north/subscribe" }).body
	tell := func(token, body string) int { return pigeonTells(s, call["address"], token, body) }

	if got := tell("guessed", `{"id":"1","from":"ann","text":"forged"}`); got != http.StatusUnauthorized {
		t.Errorf("forged: %d", got)
	}
	for range 2 { // a pigeon that comes twice
		if got := tell(call["token"], `{"id":"1","from":"ann","name":"Ann","text":"coo"}`); got != http.StatusOK {
			t.Errorf("callback: %d", got)
		}
	}
	fresh := s.crm.next("conversation/new").Data
	m := s.crm.next("message/new").Data
	if fresh.Name != "Ann" || fresh.Sender != "ann" || m.Message != "coo" || m.ConversationID != fresh.ExternalID {
		t.Errorf("conversation %+v, message %+v", fresh, m)
	}
	s.delivered(s.post(fresh.ExternalID, "coo coo"), "coo coo")
	if got := await(t, "the pigeon", post.calls, 0, func(c pigeonCall) bool { return c.path == "/north/send" }).body; got["to"] != "ann" || got["text"] != "coo coo" {
		t.Errorf("sent: %v", got)
	}
	if got := tell(call["token"], "not json"); got != http.StatusOK {
		t.Errorf("garbage: %d", got)
	}
	if got := s.api.must("GET", s.path("/quarantine")).Quarantine; len(got) != 1 || string(got[0].Body) != "not json" || got[0].Reason != "not a message" {
		t.Errorf("quarantine: %+v", got)
	}
	s.api.must("DELETE", s.path("/channels/%d", s.channel))
	await(t, "the farewell", post.calls, 0, func(c pigeonCall) bool { return c.path == "/north/subscribe" && c.body == nil })
}
