package api

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A pair is a request that is refused, and its twin: the same but for one
// parameter. What comes of the twin is up to the messenger; it is not refused
// for the same reason.
type pair struct {
	line, refused, want, twin string
}

// play makes both requests. A line of the refused one that names another channel
// than the twin's is made by a pair whose body is the same.
func (p pair) play(t *testing.T, n *tenant) {
	t.Helper()
	t.Log(p.line, p.refused)
	bad := n.do(t, request{line: p.line, body: p.refused}).expect(t, p.want)
	notSo(t, bad, n.do(t, request{line: p.line, body: p.twin}))
}

// notSo wants the twin to be known to the API and not to be refused as the other
// was.
func notSo(t *testing.T, bad, twin reply) {
	t.Helper()
	errors, _ := twin.at("errors").([]any)
	switch {
	case twin.code == 405 || twin.code == 404 && slices.Contains(errors, "Not found"):
		t.Errorf("the twin has no route: %d %s", twin.code, twin.text)
	case twin.code == bad.code && cmp.Equal(twin.at("errors"), bad.at("errors")):
		t.Errorf("the twin is refused as well: %s", twin.text)
	}
}

func pairs(list ...pair) func(*testing.T, *tenant) {
	return func(t *testing.T, n *tenant) {
		for _, p := range list {
			p.play(t, n)
		}
	}
}

// awaitsCode lets the tenant have a personal account TP that waits for its code.
func awaitsCode(play func(*testing.T, *tenant)) func(*testing.T, *tenant) {
	return func(t *testing.T, n *tenant) {
		n.ids["TP"] = n.post(t, channelsPath, "provider=telegram_personal&phone=79250000002").expect(t, "created").id(t)
		play(t, n)
	}
}

const (
	onTP = channelsPath + "/{TP}"
	onIG = channelsPath + "/{IG}"
)

// codeScenes are what is refused when a channel is linked by codes, or by the
// choice of a page.
func codeScenes() []scene {
	const (
		post    = "POST "
		confirm = post + onTP + "/confirm"
		second  = post + onIG + "/confirm"
	)
	return []scene{
		{number: "074", play: refusedPages},
		{number: "092", empty: true, play: awaitsCode(pairs(
			pair{post + onTP + "/request_code", "provider=instagram", "400 provider", "provider=telegram_personal"},
			pair{post + onTP + "/request_code", `{"provider":"fax"}`, "400 provider", `{"provider":"Telegram_Personal"}`},
		))},
		{number: "093", play: noCodes},
		{number: "098", empty: true, play: awaitsCode(pairs(
			pair{confirm, "", "400 code", "code=12345"}, pair{confirm, "confirmation_type=code", "400 code", "confirmation_type=code&code=12345"},
			pair{confirm, "code=abc", "400 code", "code=12345"}, pair{confirm, `{"code":"12 45"}`, "400 code", `{"code":"12345"}`},
			pair{confirm, "confirmation_code=12a", "400 code", "confirmation_code=12345"},
			pair{confirm, "code=12345&confirmation_type=sms", "400 confirmation_type", "code=12345&confirmation_type=code"},
			pair{confirm, "confirmation_type=password", "400 password", "confirmation_type=password&password=p"},
			pair{confirm, "provider=instagram&code=12345", "400 provider", "provider=telegram_personal&code=12345"},
		))},
		{number: "102", play: pairs(
			pair{post + onIG + "/request_code", "", "400 challenge_variant", "challenge_variant=0"},
			pair{post + onIG + "/request_code", "challenge_type=x", "400 challenge_type", "challenge_type=two_factor"},
			pair{post + onIG + "/request_code", "challenge_variant=-1", "400 challenge_variant", "challenge_variant=1"},
			pair{post + onIG + "/request_code", `{"challenge_variant":"x"}`, "400 challenge_variant", `{"challenge_variant":0}`},
		)},
		{number: "105", play: pairs(
			pair{second, "confirmation_type=two_factor&confirmation_code=123456", "400 confirmation_variant",
				"confirmation_type=two_factor&confirmation_code=123456&confirmation_variant=3"},
			pair{second, "confirmation_type=two_factor&confirmation_code=123456&confirmation_variant=0", "400 confirmation_variant",
				"confirmation_type=two_factor&confirmation_code=123456&confirmation_variant=1"},
			pair{second, "confirmation_type=two_factor&confirmation_variant=3", "400 confirmation_code",
				"confirmation_type=two_factor&confirmation_variant=3&confirmation_code=123456"},
			pair{second, "", "400 confirmation_code", "confirmation_code=123456"},
			pair{second, "confirmation_type=sms&confirmation_variant=3&confirmation_code=123456", "400 confirmation_type",
				"confirmation_type=two_factor&confirmation_variant=3&confirmation_code=123456"},
		)},
	}
}

// refusedPages tries every method by which a page can be chosen.
func refusedPages(t *testing.T, n *tenant) {
	const path = channelsPath + "/{IB}/enable_page_instagram"
	for _, method := range []string{"POST ", "PUT "} {
		pairs(
			pair{method + path, "page_id=919&sync_period=year", "400 sync_period day week month all", "page_id=919&sync_period=week"},
			pair{method + path, "sync_period=week", "400 page_id", "page_id=919&sync_period=week"},
			pair{method + path, `{"page_id":"x"}`, "400 page_id", `{"page_id":919}`},
		)(t, n)
	}
	bad := n.get(t, path+"?page_id=919&sync_period=year").expect(t, "400 sync_period")
	notSo(t, bad, n.get(t, path+"?page_id=919&sync_period=all"))
	bad = n.post(t, channelsPath+"/{WA}/enable_page_instagram", "page_id=919").expect(t, "400")
	notSo(t, bad, n.post(t, path, "page_id=919"))
}

// noCodes asks for codes where there are none.
func noCodes(t *testing.T, n *tenant) {
	personal := n.gateway.tenant(t)
	awaitsCode(func(t *testing.T, p *tenant) {
		for _, name := range []string{"{WA}", "{TG}", "{VK}"} {
			bad := n.post(t, channelsPath+"/"+name+"/request_code", "").expect(t, "400")
			notSo(t, bad, p.post(t, onTP+"/request_code", ""))
			n.post(t, channelsPath+"/"+name+"/confirm", "code=12345").expect(t, "400")
		}
	})(t, personal)
	byQR := n.gateway.tenant(t)
	byQR.ids["TP"] = byQR.post(t, channelsPath, "provider=telegram_personal&via_qr_code=1").expect(t, "created").id(t)
	byQR.post(t, onTP+"/request_code", "").expect(t, "400")
}
