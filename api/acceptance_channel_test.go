package api

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
)

const (
	postChannel = "POST /p1/companies/{C}/channels"
	putTG       = "PUT /p1/companies/{C}/channels/{TG}"
)

func channelScenes() []scene {
	return []scene{
		{number: "044", empty: true, play: func(t *testing.T, n *tenant) {
			n.ids["X"] = n.post(t, channelsPath, "provider=telegram&token=12345677890").expect(t, "created").id(t)
			ch, err := n.db.Channel(context.Background(), parley.ChannelID(n.ids["X"]))
			if err != nil {
				t.Fatal(err)
			}
			path, token := ch.Secrets[parley.SecretCallbackPath].Reveal(), ch.Secrets[parley.SecretCallbackToken].Reveal()
			if ch.Secrets["token"].Reveal() != "12345677890" || len(path) < 32 || len(token) < 32 || path == token || ch.State != parley.ChannelConnecting {
				t.Errorf("stored as %+v", ch)
			}
		}},
		{number: "045", empty: true, tries: []try{
			on(postChannel, "provider=telegram&token=1", "created"), on(postChannel, "provider=telegram&token=2", "400 channel provider telegram exists"),
			on(postChannel, "provider=viber&token=2", "created"),
		}},
		{number: "046", empty: true, play: func(t *testing.T, n *tenant) {
			n.post(t, channelsPath, "provider=vk&token=T").expect(t, "created")
			if got := n.get(t, channelsPath).rows(t, "channels", "provider"); !cmp.Equal(got, []any{"vk"}) {
				t.Errorf("got %v, want vk", got)
			}
			n.post(t, channelsPath, "provider=vkontakte&token=T").expect(t, "400 provider vkontakte exists")
		}},
		{number: "047", empty: true, tries: []try{
			on(postChannel, "provider=VKontakte&token=T", "created"), on(postChannel, "provider=vkontakte_direct&token=T", "created"),
		}},
		{number: "048", empty: true, tries: []try{
			on(postChannel, "", "400 provider telegram_personal"), on(postChannel, "provider=fax", "400 provider viber"),
			on(postChannel, "provider=max&token=T", "400 provider"), on(postChannel, `{"provider":["viber"],"token":"T"}`, "400 provider"),
			on(postChannel, `{"provider":"viber","token":"T"}`, "created"),
		}},
		{number: "049", empty: true, tries: []try{
			on(postChannel, "provider=viber", "400 token"), on(postChannel, "provider=viber&token=%20", "400 token"), on(postChannel, "provider=viber&token=", "400 token"),
			on(postChannel, `{"provider":"viber","token":["x"]}`, "400 token"), on(postChannel, "provider=viber&token=x", "created"),
		}},
		{number: "065", empty: true, tries: []try{
			on(postChannel, "provider=avito", "400 login password"), on(postChannel, "provider=instagram_business", "400 token phone data"),
			on(postChannel, "provider=whatsapp_business&subtype=gold", "400 hosting_type token dialog360_channel_id subtype"),
			on(postChannel, "provider=avito&login=a&password=b", "created"),
		}},
		{number: "066", play: func(t *testing.T, n *tenant) {
			got := n.get(t, channelsPath+"?per=1")
			want := strings.Split(got.text, `"next_page"`)[0]
			if !strings.HasPrefix(want, `{"status":"ok","data":{"channels":[{"external_id":`) || strings.Count(want, ":") != 5 {
				t.Errorf("got %s", got.text)
			}
			if diff := cmp.Diff(7, len(n.get(t, channelsPath).rows(t, "channels", "provider"))); diff != "" {
				t.Error(diff)
			}
		}},
		{number: "067", play: updatedChannel},
		{number: "068", tries: []try{
			on(putTG, "", "400 token"), on(putTG, "login=a&password=b", "400 token"), on(putTG, "token=", "400 token"),
			on(putTG, "token=x&provider=viber", "400 provider"), on(putTG, "token=x&provider=Telegram", "updated"),
			on("PUT /p1/companies/{C}/channels/{VK}", "token=x&provider=vk", "updated"),
		}},
		{number: "070", tries: []try{
			on("PUT /p1/companies/{C}/channels/{WA}", "token=x", "400 channel"), on("PUT /p1/companies/{C}/channels/{TP}", "phone=79250000001", "400 channel"),
			on(putTG, "token=x", "updated"),
		}},
		{number: "071", play: func(t *testing.T, n *tenant) {
			other := n.full(t)
			n.ids["X"] = other.ids["TG"]
			n.put(t, channelsPath+"/{X}", "token=x").expect(t, "404 Channel")
			n.put(t, channelsPath+"/999999999", "token=x").expect(t, "404 Channel")
			n.get(t, channelsPath+"/{X}").expect(t, "404 Channel")
			n.do(t, request{line: "DELETE " + channelsPath + "/{X}"}).expect(t, "404 Channel")
			n.put(t, channelsPath+"/{TG}", "token=x").expect(t, "updated")
		}},
		{number: "072", play: deletedChannel},
	}
}

func updatedChannel(t *testing.T, n *tenant) {
	got := n.put(t, channelsPath+"/{TG}", "token=NEW").expect(t, "updated")
	if got.id(t) != n.ids["TG"] {
		t.Errorf("got %s", got.text)
	}
	ch, err := n.db.Channel(context.Background(), parley.ChannelID(n.ids["TG"]))
	if err != nil {
		t.Fatal(err)
	}
	if ch.Secrets["token"].Reveal() != "NEW" || ch.Generation != 2 || ch.State != parley.ChannelConnecting || ch.Secrets[parley.SecretCallbackPath] == "" {
		t.Errorf("stored as %+v", ch)
	}
}

func deletedChannel(t *testing.T, n *tenant) {
	gone := request{line: "DELETE " + channelsPath + "/{TG}"}
	if got := n.do(t, gone).expect(t, "deleted"); got.text != `{"status":"deleted"}` {
		t.Errorf("got %s", got.text)
	}
	for _, id := range n.get(t, channelsPath).rows(t, "channels", "external_id") {
		if id == float64(n.ids["TG"]) {
			t.Error("a deleted channel is listed")
		}
	}
	n.do(t, gone).expect(t, "404 Channel")
	n.get(t, channelsPath+"/{TG}").expect(t, "404 Channel")
	n.put(t, channelsPath+"/{TG}", "token=x").expect(t, "404 Channel")
	if id := n.post(t, channelsPath, "provider=telegram&token=12345677890").expect(t, "created").id(t); id == n.ids["TG"] {
		t.Error("the new channel has the old one's id")
	}
}

// TestForms judges the parameters of every provider where none is offered: the
// shape comes first.
func TestForms(t *testing.T) {
	t.Parallel()
	const ok = "400 provider not available"
	g := newGateway(t, openSQLite(t), func(c *Config) { c.Providers = nil })
	n := g.tenant(t)
	for _, y := range []try{
		on(postChannel, "provider=whatsapp", ok), on(postChannel, "provider=WhatsApp&login=a&password=b&sync_comments=1", ok),
		on(postChannel, "provider=whatsapp&do_not_mark_as_read=maybe", "400 do_not_mark_as_read"), on(postChannel, "provider=whatsapp&do_not_mark_as_read=1", ok),
		on(postChannel, "provider=whatsapp&phone=12", "400 phone"), on(postChannel, "provider=whatsapp&phone=%2B79250000001", ok),
		on(postChannel, "provider=whatsapp&sync_messages_from=yesterday", "400 sync_messages_from"),
		on(postChannel, "provider=whatsapp&sync_messages_from=1510393147", "400 sync_messages_from"),
		on(postChannel, "provider=whatsapp&sync_messages_from=4102444800", ok), on(postChannel, "provider=whatsapp&sync_messages_from=2100-01-01", ok),
		on(postChannel, "provider=whatsapp_business&hosting_type=cloud&token=T", ok),
		on(postChannel, "provider=whatsapp_business&hosting_type=onpremise&dialog360_channel_id=X&dialog360_client_id=Y&subtype=unlim", ok),
		on(postChannel, "provider=whatsapp_business&token=T", "400 hosting_type"), on(postChannel, "provider=whatsapp_business&hosting_type=moon&token=T", "400 hosting_type"),
		on(postChannel, "provider=whatsapp_business&hosting_type=cloud", "400 token"),
		on(postChannel, "provider=whatsapp_business&hosting_type=cloud&token=T&subtype=gold", "400 subtype"),
		on(postChannel, "provider=avito&login=a&password=b", ok), on(postChannel, "provider=avito&login=a", "400 password"),
		on(postChannel, "provider=instagram&login=a&password=b&sync_mentions=0", ok), on(postChannel, "provider=instagram&password=b", "400 login"),
		on(postChannel, "provider=instagram&login=a&password=b&sync_comments=x", "400 sync_comments"),
		on(postChannel, "provider=facebook&token=x", ok), on(postChannel, "provider=facebook", "400 token"),
		on(postChannel, "provider=instagram_business&token=T&phone=%2B79131112233&data[picture][data][height]=50", ok),
		on(postChannel, `{"provider":"instagram_business","token":"T","phone":"79131112233","data":{"id":"1"}}`, ok),
		on(postChannel, "provider=instagram_business&token=T&phone=79131112233", "400 data"), on(postChannel, "provider=instagram_business&token=T&data={}", "400 phone"),
		on(postChannel, "provider=telegram_personal&via_qr_code=true", ok), on(postChannel, "provider=telegram_personal&via_qr_code=1", ok),
		on(postChannel, `{"provider":"telegram_personal","via_qr_code":true}`, ok), on(postChannel, "provider=telegram_personal&phone=79250000002", ok),
		on(postChannel, "provider=telegram_personal&username=79250000002", ok), on(postChannel, "provider=telegram_personal", "400 via_qr_code phone"),
		on(postChannel, "provider=telegram_personal&via_qr_code=false", "400 via_qr_code"), on(postChannel, "provider=telegram_personal&phone=abc", "400 phone"),
	} {
		n.do(t, y.request).expect(t, y.want)
	}
}

// TestOffers checks what else decides whether a provider can be had.
func TestOffers(t *testing.T) {
	t.Parallel()
	specs := testProviders()
	custom := specs["viber"]
	custom.Name, custom.Aliases = "pigeon", []string{"Dove"}
	custom.Fields = append(custom.Fields[:1:1], custom.Fields[0])
	custom.Fields[1].Name, custom.Fields[1].Secret, custom.Fields[1].Required = "loft", false, false
	specs["pigeon"] = custom
	g := newGateway(t, openSQLite(t), func(c *Config) {
		c.Providers, c.Disabled = specs, map[string]bool{"viber": true}
	})
	n := g.tenant(t)
	n.post(t, channelsPath, "provider=viber&token=x").expect(t, "400 provider not available")
	n.post(t, channelsPath, "provider=pigeon").expect(t, "400 token")
	n.ids["X"] = n.do(t, request{line: "POST " + channelsPath, body: "provider=dove&token=x&loft=north", beyond: true}).expect(t, "created").id(t)
	n.do(t, request{line: "PUT " + channelsPath + "/{X}", body: "token=y&provider=pigeon", beyond: true}).expect(t, "updated")
	ch, err := n.db.Channel(context.Background(), parley.ChannelID(n.ids["X"]))
	if err != nil || ch.Provider != "pigeon" || ch.Spelling != "dove" || ch.Settings["loft"] != "north" || ch.Secrets["token"].Reveal() != "y" {
		t.Errorf("stored as %+v, %v", ch, err)
	}
}

// TestUpdateForms checks the parameters of updates.
func TestUpdateForms(t *testing.T) {
	t.Parallel()
	g := newGateway(t, openSQLite(t))
	n := g.full(t)
	n.channel(t, "AV", "avito")
	const put = "PUT /p1/companies/{C}/channels/"
	for _, y := range []try{
		on(put+"{IG}", "login=a&password=b", "updated"), on(put+"{IG}", "login=a", "400 password"), on(put+"{AV}", "password=b", "400 login"),
		on(put+"{IB}", "token=x", "updated"), on(put+"{IB}", "login=a&password=b", "400 token"),
		on(put+"{WB}", "", "400 token"), on(put+"{WB}", "subtype=gold", "400 subtype"), on(put+"{WB}", "subtype=unlim", "updated"),
		on(put+"{WB}", "token=", "400 token"), on(put+"{WB}", "dialog360_channel_id=1", "updated"), on(put+"{WB}", "hosting_type=cloud", "updated"),
	} {
		n.do(t, y.request).expect(t, y.want)
	}
}

// TestChannelState checks the extension that tells a channel's state.
func TestChannelState(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).full(t)
	got := n.get(t, channelsPath+"/{TG}").expect(t, "ok")
	if got.at("data", "state") != "enabled" || got.at("data", "reason") != nil || got.at("data", "state_since_timestamp").(float64) < 1e9 {
		t.Errorf("got %s", got.text)
	}
}
