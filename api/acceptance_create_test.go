package api

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
)

// alone makes tries, each as a tenant of its own that has no channels, so that
// none of them is refused because of another.
func alone(tries ...try) func(*testing.T, *tenant) {
	return func(t *testing.T, n *tenant) {
		for _, y := range tries {
			t.Log(y.line, y.body)
			n.gateway.tenant(t).do(t, y.request).expect(t, y.want)
		}
	}
}

// made is a try at creating a channel of a provider.
func made(provider, rest, want string) try { return on(postChannel, "provider="+provider+rest, want) }

// createScenes are the cases about creating channels of the providers that ask
// for more than a token.
func createScenes() []scene {
	return []scene{
		{number: "051", empty: true, play: recentHistory},
		{number: "052", empty: true, play: oldHistory},
		{number: "053", empty: true, play: alone(
			made("whatsapp", "&login=ann&password=p&sync_comments=1", "created"),
			on(postChannel, `{"provider":"whatsapp","login":"ann","password":"p","sync_messages_from":null,"sync_comments":null}`, "created"),
		)},
		{number: "054", empty: true, play: businessByToken},
		{number: "055", empty: true, play: alone(
			made("whatsapp_business", "&dialog360_channel_id=X&hosting_type=onpremise", "created"),
			made("whatsapp_business", "&dialog360_channel_id=X&hosting_type=onpremise&dialog360_client_id=Y&subtype=unlim&account_name=A", "created"),
			made("whatsapp_business", "&dialog360_channel_id=%20&hosting_type=onpremise", "400 dialog360_channel_id"),
		)},
		{number: "056", empty: true, play: alone(
			made("whatsapp_business", "&token=T", "400 hosting_type"), made("whatsapp_business", "&token=T&hosting_type=cloud", "created"),
		)},
		{number: "057", empty: true, play: alone(
			made("whatsapp_business", "&token=T&hosting_type=moon", "400 hosting_type cloud onpremise"), made("whatsapp_business", "&token=T&hosting_type=onpremise", "created"),
			made("whatsapp_business", "&token=T&hosting_type=cloud&subtype=gold", "400 subtype regular unlim no_write_first"),
			made("whatsapp_business", "&token=T&hosting_type=cloud&subtype=regular", "created"),
			made("whatsapp_business", "&hosting_type=cloud", "400 token dialog360_channel_id"), made("whatsapp_business", "&hosting_type=cloud&token=T", "created"),
		)},
		{number: "058", empty: true, play: alone(
			made("avito", "&login=a&password=b", "created"), made("avito", "&login=a", "400 password"), made("avito", "&login=a&password=%20", "400 password"),
			made("avito", "&password=b", "400 login"),
		)},
		{number: "060", empty: true, play: personalByPhone},
		{number: "061", empty: true, play: alone(
			made("telegram_personal", "", "400 via_qr_code phone"), made("telegram_personal", "&via_qr_code=false", "400 via_qr_code"),
			made("telegram_personal", "&via_qr_code=maybe", "400 via_qr_code"), made("telegram_personal", "&phone=abc", "400 phone"),
			made("telegram_personal", "&via_qr_code=true", "created"), made("telegram_personal", "&via_qr_code=false&phone=79250000002", "created"),
		)},
		{number: "062", empty: true, play: alone(
			made("instagram", "&login=a&password=b", "created"), made("instagram", "&login=a", "400 password"), made("instagram", "&password=b", "400 login"),
			made("instagram", "", "400 login password"),
		)},
		{number: "064", empty: true, play: alone(
			made("instagram_business", "&token=T&phone=79131112233", "400 data"), made("instagram_business", "&token=T&phone=79131112233&data=x", "400 data"),
			made("instagram_business", "&token=T&data[id]=1", "400 phone"), made("instagram_business", "&phone=79131112233&data[id]=1", "400 token"),
			made("instagram_business", "&token=T&phone=79131112233&data[id]=1", "created"),
		)},
		{number: "069", tries: []try{
			on(channelOf("IG", "PUT"), "login=a&password=b", "updated"), on(channelOf("IG", "PUT"), "login=a", "400 password"),
			on(channelOf("IG", "PUT"), "login=&password=b", "400 login"), on(channelOf("IG", "PUT"), "token=x", "400 login password"),
		}},
	}
}

// channelOf is the request line of one of the tenant's channels.
func channelOf(name, method string) string { return method + " " + channelsPath + "/{" + name + "}" }

// whatsAppSince creates a channel whose messages are fetched from a time on, named
// in a form and in JSON.
func whatsAppSince(t *testing.T, n *tenant, since, want string) {
	t.Helper()
	n.gateway.tenant(t).post(t, channelsPath, "provider=whatsapp&sync_messages_from="+since).expect(t, want)
	n.gateway.tenant(t).post(t, channelsPath, fmt.Sprintf(`{"provider":"whatsapp","sync_messages_from":%q}`, since)).expect(t, want)
}

func recentHistory(t *testing.T, n *tenant) {
	ago := time.Now().Add(-3 * 24 * time.Hour).UTC()
	for _, since := range []string{fmt.Sprint(ago.Unix()), fmt.Sprint(ago.UnixMilli()), ago.Format(time.RFC3339), ago.Format("2006-01-02T15:04:05.000Z")} {
		whatsAppSince(t, n, since, "created")
	}
	n.ids["X"] = n.post(t, channelsPath, fmt.Sprintf(`{"provider":"whatsapp","sync_messages_from":%d}`, ago.Unix())).expect(t, "created").id(t)
	if diff := cmp.Diff(fmt.Sprint(ago.Unix()), n.whole(t, "X").Settings["sync_messages_from"]); diff != "" {
		t.Error(diff)
	}
}

func oldHistory(t *testing.T, n *tenant) {
	day := 24 * time.Hour
	for _, since := range []string{fmt.Sprint(time.Now().Add(-40 * day).Unix()), time.Now().Add(-40 * day).UTC().Format(time.RFC3339), "soon", "1510393147"} {
		whatsAppSince(t, n, since, "400 sync_messages_from")
	}
	n.post(t, channelsPath, fmt.Sprintf(`{"provider":"whatsapp","sync_messages_from":%d}`, time.Now().Add(-40*day).Unix())).expect(t, "400 sync_messages_from")
	whatsAppSince(t, n, fmt.Sprint(time.Now().Add(-30*day).Unix()), "created")
}

func businessByToken(t *testing.T, n *tenant) {
	n.ids["X"] = n.post(t, channelsPath, "provider=whatsapp_business&hosting_type=cloud&token=T").expect(t, "created").id(t)
	if ch := n.whole(t, "X"); ch.Settings["hosting_type"] != "cloud" || ch.Secrets["token"].Reveal() != "T" || ch.Provider != "whatsapp_business" {
		t.Errorf("stored as %+v", ch)
	}
}

func personalByPhone(t *testing.T, n *tenant) {
	n.ids["X"] = n.post(t, channelsPath, "provider=telegram_personal&phone=%2B7 925 000-00-02").expect(t, "created").id(t)
	beside := n.gateway.tenant(t)
	beside.ids["X"] = beside.post(t, channelsPath, "provider=telegram_personal&username=79250000002").expect(t, "created").id(t)
	for _, who := range []*tenant{n, beside} {
		if got := who.whole(t, "X").Settings["phone"]; got != "79250000002" {
			t.Errorf("the phone is stored as %q", got)
		}
	}
}

// TestCreated: what is created of the providers whose cases need the messenger
// itself.
func TestCreated(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).tenant(t)
	alone(
		made("whatsapp", "", "created"), made("WhatsApp", "&do_not_mark_as_read=true", "created"),
		made("telegram_personal", "&via_qr_code=true", "created"), made("telegram_personal", "&via_qr_code=1", "created"),
		on(postChannel, `{"provider":"telegram_personal","via_qr_code":true}`, "created"),
		made("instagram_business", "&token=T&phone=%2B79131112233&data[picture][data][height]=50", "created"),
	)(t, n)
	n.ids["X"] = n.post(t, channelsPath, "provider=instagram_business&token=T&phone=%2B79131112233&data[picture][data][height]=50").expect(t, "created").id(t)
	ch, err := n.db.Channel(context.Background(), parley.ChannelID(n.ids["X"]))
	if err != nil || ch.Settings["phone"] != "79131112233" || ch.Secrets["data"].Reveal() != `{"picture":{"data":{"height":"50"}}}` {
		t.Errorf("stored as %+v, %v", ch, err)
	}
}
