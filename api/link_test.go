package api

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// A messenger is a client that does what the tests say, and clients that have it
// for every channel.
type messenger struct {
	db *store.DB

	mu      sync.Mutex
	queries []connector.CodeQuery
	answers []connector.CodeAnswer
	verdict connector.CodeVerdict
	err     error
	page    int64
	period  time.Duration
}

func (m *messenger) Plan(*parley.Message) ([]connector.Part, error) { return nil, nil }
func (m *messenger) Send(context.Context, connector.Part) (connector.Sent, error) {
	return connector.Sent{}, nil
}

func (m *messenger) Find(_ context.Context, phone string) (bool, error) {
	return phone == "79250000001", m.err
}

func (m *messenger) SendCode(_ context.Context, q connector.CodeQuery) (connector.SentCode, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queries = append(m.queries, q)
	return connector.SentCode{Session: 1337, Length: 6, Type: "app", Expires: time.Minute, Pairing: "ZHHJ-KQSP"}, m.err
}

func (m *messenger) CheckCode(_ context.Context, a connector.CodeAnswer) (connector.CodeVerdict, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers = append(m.answers, a)
	return m.verdict, m.err
}

func (m *messenger) ChoosePage(_ context.Context, page int64, period time.Duration) (int64, error) {
	m.page, m.period = page, period
	if page == 404 {
		return 0, parley.Errorf(parley.KindNotFound, "Page not found")
	}
	return page, m.err
}

func (m *messenger) AnyClient(context.Context, parley.ChannelID) (connector.Client, error) {
	return m, nil
}

func (m *messenger) Client(ctx context.Context, id parley.ChannelID) (*parley.Channel, connector.Client, connector.Spec, error) {
	ch, err := m.db.Channel(ctx, id)
	if err == nil && !ch.State.Live() {
		err = parley.Errorf(parley.KindLoggedOut, "logged out")
	}
	return ch, m, connector.Spec{}, err
}

// connected is a full tenant whose channels have the messenger for their client.
func connected(t *testing.T, db *store.DB) (*tenant, *messenger) {
	t.Helper()
	m := &messenger{db: db}
	return newGateway(t, db, func(c *Config) { c.Clients = m }).full(t), m
}

// unlinked makes a channel that has yet to be linked.
func (n *tenant) unlinked(t *testing.T, name, provider string, settings map[string]string) {
	t.Helper()
	id, err := n.db.CreateChannel(t.Context(), &parley.Channel{Company: n.company, Provider: provider, Spelling: provider, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	n.ids[name] = int64(id)
}

// fresh is a tenant with an unlinked channel X.
func fresh(t *testing.T, db *store.DB, provider string, settings map[string]string) (*tenant, *messenger) {
	t.Helper()
	m := &messenger{db: db}
	n := newGateway(t, db, func(c *Config) { c.Clients = m }).tenant(t)
	n.unlinked(t, "X", provider, settings)
	return n, m
}

const (
	requestCode = channelsPath + "/{X}/request_code"
	confirmCode = channelsPath + "/{X}/confirm"
)

// answered checks a whole answer.
func answered(t *testing.T, got reply, want string) {
	t.Helper()
	if got.code != 200 || got.text != want {
		t.Errorf("got %d %s, want %s", got.code, got.text, want)
	}
}

func TestPhoneCode(t *testing.T) {
	t.Parallel()
	n, m := fresh(t, openSQLite(t), "telegram_personal", map[string]string{"phone": "79250000002"})
	for _, body := range []string{"", "provider=telegram_personal"} {
		answered(t, n.post(t, requestCode, body), `{"code_length":6,"code_type":"app","expires_in":60,"next_type":"app","session_id":1337,"status":"ok"}`)
	}
	n.post(t, requestCode, "provider=instagram").expect(t, "400 provider")
	const enabled = `{"result":"ok","state":"enabled"}`
	answered(t, n.post(t, confirmCode, "confirmation_type=code&code=0123"), enabled)
	answered(t, n.post(t, confirmCode, `{"code":123}`), enabled)
	answered(t, n.post(t, confirmCode, "confirmation_code=123"), enabled)
	m.verdict.Password = true
	answered(t, n.post(t, confirmCode, "code=123"), `{"result":"ok","state":"password_required"}`)
	m.verdict.Password = false
	answered(t, n.post(t, confirmCode, "password= p "), enabled)
	answered(t, n.post(t, confirmCode, "confirmation_type=password&password=p&code=1"), enabled)
	want := []connector.CodeAnswer{{Code: "0123"}, {Code: "123", Number: true}, {Code: "123"}, {Code: "123"}, {Password: " p "}, {Password: "p"}}
	if diff := cmp.Diff(want, m.answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for body, want := range map[string]string{"": "400 code", "code=abc": "400 code", "confirmation_type=sms&code=1": "400 confirmation_type",
		"confirmation_type=password": "400 password", "code[]=1": "400 code", "provider=viber&code=1": "400 provider"} {
		n.post(t, confirmCode, body).expect(t, want)
	}
	m.err = parley.Errorf(parley.KindRejected, "the code is wrong")
	n.post(t, confirmCode, "code=1").expect(t, "400 code wrong")
	m.err = &parley.Error{Kind: parley.KindThrottled, RetryAfter: 50 * time.Second}
	if got := n.post(t, requestCode, "").expect(t, "429 50"); got.header.Get("Retry-After") != "50" {
		t.Errorf("Retry-After: %q", got.header.Get("Retry-After"))
	}
	m.err = context.DeadlineExceeded
	n.post(t, confirmCode, "code=1").expect(t, "503")
}

// TestLinked: what is connected needs no code, and what is linked by QR has none.
func TestLinked(t *testing.T) {
	t.Parallel()
	n, m := connected(t, openSQLite(t))
	n.ids["X"] = n.ids["TP"]
	n.post(t, requestCode, "").expect(t, "400 connected")
	answered(t, n.post(t, confirmCode, "code=1"), `{"result":"ok","state":"enabled"}`)
	if len(m.queries)+len(m.answers) != 0 {
		t.Errorf("asked: %v, %v", m.queries, m.answers)
	}
	for name, want := range map[string]string{"TG": "400 channel", "WA": "400 channel QR", "VK": "400 channel", "WB": "400 channel"} {
		n.ids["X"] = n.ids[name]
		n.post(t, requestCode, "").expect(t, want)
		n.post(t, confirmCode, "code=1").expect(t, "400 channel")
	}
	n, _ = fresh(t, openSQLite(t), "telegram_personal", map[string]string{"via_qr_code": "true"})
	n.post(t, requestCode, "").expect(t, "400 channel QR")
	if _, err := n.db.SetChannelState(t.Context(), store.ChannelMove{Channel: parley.ChannelID(n.ids["X"]), Company: n.company, To: parley.ChannelPasswordPending}); err != nil {
		t.Fatal(err)
	}
	n.post(t, requestCode, "").expect(t, "400 channel QR") // a password is no code
	answered(t, n.post(t, confirmCode, "password=p"), `{"result":"ok","state":"enabled"}`)
	n, _ = fresh(t, openSQLite(t), "whatsapp", map[string]string{"phone": "79250000001"})
	answered(t, n.post(t, requestCode, "provider=whatsapp"), `{"sessionId":"1337","code":"ZHHJ-KQSP","ttl":"60s"}`)
	n.post(t, confirmCode, "code=1").expect(t, "400 channel")
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	n, m := fresh(t, openSQLite(t), "instagram", nil)
	const ok = `{"result":"ok"}`
	for _, body := range []string{"challenge_variant=0", `{"challenge_variant":1}`, "challenge_type=two_factor"} {
		answered(t, n.post(t, requestCode, body), ok)
	}
	zero, one := int64(0), int64(1)
	if diff := cmp.Diff([]connector.CodeQuery{{Variant: &zero}, {Variant: &one}, {TwoFactor: true}}, m.queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
	for body, want := range map[string]string{"": "400 challenge_variant challenge_type", "challenge_type=x": "400 challenge_type", "challenge_variant=-1": "400 challenge_variant"} {
		n.post(t, requestCode, body).expect(t, want)
	}
	answered(t, n.post(t, confirmCode, "confirmation_code=01"), ok)
	m.verdict.Challenge = &connector.Challenge{TwoFactor: true, Ways: []connector.Way{{Value: 1, Key: "sms"}, {Value: 3, Key: "totp"}}}
	answered(t, n.post(t, confirmCode, "confirmation_type=two_factor&confirmation_variant=3&confirmation_code=02"),
		`{"result":"ok","data":{"two_factor_requires":true,"details":[{"value":1,"key":"sms"},{"value":3,"key":"totp"}]}}`)
	m.verdict.Challenge = &connector.Challenge{Ways: []connector.Way{{Value: 0, Label: "+0 ***"}}}
	answered(t, n.post(t, confirmCode, "confirmation_code=03"), `{"result":"ok","data":{"confirmation_requires":true,"details":[{"value":0,"label":"+0 ***"}]}}`)
	if diff := cmp.Diff([]connector.CodeAnswer{{Code: "01"}, {Code: "02", TwoFactor: true, Variant: 3}, {Code: "03"}}, m.answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for body, want := range map[string]string{"": "400 confirmation_code", "confirmation_type=two_factor&confirmation_code=1": "400 confirmation_variant",
		"confirmation_type=two_factor&confirmation_code=1&confirmation_variant=0": "400 confirmation_variant",
		"confirmation_type=two_factor&confirmation_variant=1":                     "400 confirmation_code", "confirmation_type=code&confirmation_code=1": "400 confirmation_type"} {
		n.post(t, confirmCode, body).expect(t, want)
	}
}

func TestEnablePage(t *testing.T) {
	t.Parallel()
	n, m := fresh(t, openSQLite(t), "instagram_business", nil)
	const path = channelsPath + "/{X}/enable_page_instagram"
	want := n.fill(`{"status":"ok","data":{"external_id":{X},"page_id":919}}`)
	for period, d := range map[string]time.Duration{"week": 7 * 24 * time.Hour, "month": 31 * 24 * time.Hour, "all": -1, "": 0} {
		answered(t, n.post(t, path, "page_id=919&sync_period="+period), want)
		if m.page != 919 || m.period != d {
			t.Errorf("%s: page %d, period %v", period, m.page, m.period)
		}
	}
	answered(t, n.put(t, path, `{"page_id":"919"}`), want)
	answered(t, n.get(t, path+"?page_id=919&sync_period=day"), want)
	n.post(t, path, "page_id=404").expect(t, "404 Page")
	n.post(t, path, "sync_period=year").expect(t, "400 page_id sync_period")
	n, _ = connected(t, openSQLite(t))
	n.ids["X"] = n.ids["WA"]
	n.post(t, path, "page_id=1").expect(t, "400 channel")
}

func TestUserExists(t *testing.T) {
	t.Parallel()
	n, m := connected(t, openSQLite(t))
	const path = channelsPath + "/{WA}/user_exists?phone="
	answered(t, n.get(t, path+"%2B7%20925%20000-00-01"), `{"status":"ok","exists":true}`)
	answered(t, n.get(t, path+"79250000002"), `{"status":"ok","exists":false}`)
	answered(t, n.get(t, channelsPath+"/{TP}/user_exists?phone=79250000001"), `{"status":"ok","exists":true}`)
	n.get(t, path).expect(t, "400 phone")
	n.get(t, channelsPath+"/{TG}/user_exists?phone=79250000001").expect(t, "400 channel")
	m.err = parley.Errorf(parley.KindUnavailable, "down")
	n.get(t, path+"79250000001").expect(t, "503")
	n, _ = fresh(t, openSQLite(t), "whatsapp", nil)
	n.get(t, channelsPath+"/{X}/user_exists?phone=79250000001").expect(t, "400 channel is not connected")
}

// TestNoAbility: a provider whose client cannot do it is not available for it.
func TestNoAbility(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	n := newGateway(t, db).full(t)
	n.get(t, channelsPath+"/{WA}/user_exists?phone=79250000001").expect(t, "400 provider not available")
	n = newGateway(t, db).tenant(t)
	n.unlinked(t, "X", "telegram_personal", map[string]string{"phone": "1"})
	n.post(t, requestCode, "").expect(t, "400 provider not available")
	n.post(t, confirmCode, "code=1").expect(t, "400 provider not available")
}

// TestKeyedCode: a code that was confirmed is not handed over again.
func TestKeyedCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n, m := fresh(t, db, "telegram_personal", map[string]string{"phone": "79250000002"})
		for path, body := range map[string]string{confirmCode: "code=1", requestCode: ""} {
			first := n.keyed(t, path, body, "k")
			again := n.keyed(t, path, body, "k")
			if first.code != 200 || again.text != first.text || !replayed(again) || replayed(first) {
				t.Errorf("%s: got %s, and then %s", path, first.text, again.text)
			}
			n.keyed(t, path, "provider=telegram_personal", "k").expect(t, "400 Idempotency-Key")
		}
		if len(m.answers) != 1 || len(m.queries) != 1 {
			t.Errorf("asked %v, %v", m.answers, m.queries)
		}
		m.err = &parley.Error{Kind: parley.KindThrottled, RetryAfter: time.Second}
		n.keyed(t, requestCode, "", "later").expect(t, "429")
		m.err = nil
		if got := n.keyed(t, requestCode, "", "later"); got.code != 200 || replayed(got) {
			t.Errorf("got %d %s, replay %v: an answer 429 was kept", got.code, got.text, replayed(got))
		}
	})
}
