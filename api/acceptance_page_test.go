package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func pageScenes() []scene {
	const path = "GET /p1/companies/{C}/channels?"
	return []scene{
		{number: "033", empty: true, play: walkUp},
		{number: "034", empty: true, play: walkDown},
		{number: "035", empty: true, play: sortAlias},
		{number: "036", empty: true, play: fromAlias},
		{number: "037", empty: true, play: notAToken},
		{number: "038", empty: true, tries: []try{
			on(path+"from="+strings.Repeat("x", 256), "", "400 from"), on(path+"from="+strings.Repeat("x", 255), "", "ok"),
		}},
		{number: "039", empty: true, tries: []try{
			on(path+"per=0", "", "400 per"), on(path+"per=101", "", "400 per"), on(path+"per=-1", "", "400 per"), on(path+"per=x", "", "400 per"),
			on(path+"per=1.5", "", "400 per"), on(path+"per=1", "", "ok"), on(path+"per=100", "", "ok"),
		}},
		{number: "040", empty: true, tries: []try{on(path+"per=", "", "ok")}},
		{number: "041", empty: true, tries: []try{on(path+"sort_direction=up", "", "400 sort_direction"), on(path+"sort_direction=DESC", "", "ok")}},
		{number: "042", play: otherList},
		{number: "043", empty: true, play: deletedBetween},
	}
}

// five makes five channels and returns their ids, rising.
func five(t *testing.T, n *tenant) []any {
	var ids []any
	for i, provider := range []string{"telegram", "viber", "vkontakte", "vkontakte_direct", "facebook"} {
		ids = append(ids, float64(n.channel(t, fmt.Sprint("N", i), provider).ID))
	}
	return ids
}

const channelsPath = "/p1/companies/{C}/channels"

// page reads one page of channels, and returns its ids and the next token.
func (n *tenant) page(t *testing.T, query string) ([]any, string) {
	t.Helper()
	got := n.get(t, channelsPath+"?"+query).expect(t, "ok")
	if _, there := got.at("data").(map[string]any)["next_page"]; !there {
		t.Errorf("no next_page in %s", got.text)
	}
	token, _ := got.at("data", "next_page").(string)
	return got.rows(t, "channels", "external_id"), token
}

// pages follows the tokens from a first query, with more added to each of them.
func (n *tenant) pages(t *testing.T, first, more string) [][]any {
	t.Helper()
	ids, token := n.page(t, first)
	all := [][]any{ids}
	for token != "" && len(all) < 10 {
		if len(token) > 255 || strings.ContainsFunc(token, func(r rune) bool { return !strings.ContainsRune("-_", r) && !isAlnum(r) }) {
			t.Errorf("token %q is not safe in a URL", token)
		}
		ids, token = n.page(t, "from="+token+more)
		all = append(all, ids)
	}
	return all
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func walkUp(t *testing.T, n *tenant) {
	ids := five(t, n)
	if diff := cmp.Diff([][]any{ids[:2], ids[2:4], ids[4:]}, n.pages(t, "per=2", "&per=2")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]any{ids}, n.pages(t, "per=5", "")); diff != "" {
		t.Errorf("a full last page: %s", diff)
	}
	if diff := cmp.Diff([][]any{ids[:4], ids[4:]}, n.pages(t, "per=4&sort_direction=asc", "&sort_direction=asc")); diff != "" {
		t.Error(diff)
	}
}

func walkDown(t *testing.T, n *tenant) {
	ids := five(t, n)
	slices.Reverse(ids)
	if diff := cmp.Diff([][]any{ids[:2], ids[2:4], ids[4:]}, n.pages(t, "sort_direction=desc&per=2", "&per=2")); diff != "" {
		t.Error(diff)
	}
}

func sortAlias(t *testing.T, n *tenant) {
	ids := five(t, n)
	up := slices.Clone(ids)
	slices.Reverse(ids)
	for query, want := range map[string][]any{"sort=desc": ids, "sort=Desc": ids, "sort=asc&sort_direction=desc": ids, "sort=desc&sort_direction=asc": up, "sort=": up} {
		if got, _ := n.page(t, query); !cmp.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
}

func fromAlias(t *testing.T, n *tenant) {
	ids := five(t, n)
	_, token := n.page(t, "per=2")
	if got, _ := n.page(t, "per=2&from_="+token); !cmp.Equal(got, ids[2:4]) {
		t.Errorf("got %v, want %v", got, ids[2:4])
	}
}

func notAToken(t *testing.T, n *tenant) {
	ids := five(t, n)
	_, token := n.page(t, "per=2")
	forged := []byte(token)
	forged[8] ^= 1
	for _, from := range []string{"garbage", "", "%20", token + "A", token[1:], string(forged)} {
		if got, _ := n.page(t, "per=2&from="+from); !cmp.Equal(got, ids[:2]) {
			t.Errorf("from=%s: got %v, want the first page %v", from, got, ids[:2])
		}
	}
}

func otherList(t *testing.T, n *tenant) {
	other := n.tenantBeside(t)
	conversations := n.conversationToken(t)
	first, token := n.page(t, "per=2")
	_, down := n.page(t, "per=2&sort=desc")
	for name, query := range map[string]string{
		"of another direction": "per=2&sort=asc&from=" + down,
		"of conversations":     "per=2&from=" + conversations,
		"of another company":   "per=2&from=" + other,
	} {
		if got, _ := n.page(t, query); !cmp.Equal(got, first) {
			t.Errorf("%s: got %v, want the first page %v", name, got, first)
		}
	}
	if got, _ := n.page(t, "per=2&from="+token); cmp.Equal(got, first) {
		t.Error("the right token leads to the first page as well")
	}
}

// tenantBeside returns a token of the same list and user, but another company.
func (n *tenant) tenantBeside(t *testing.T) string {
	id := n.post(t, "/p1/companies", "name=beside").expect(t, "created").id(t)
	beside := &tenant{gateway: n.gateway, token: n.token, user: n.user, company: 0, ids: map[string]int64{"C": id}}
	for _, body := range []string{"provider=telegram&token=T", "provider=viber&token=T", "provider=vk&token=T"} {
		beside.post(t, channelsPath, body).expect(t, "created")
	}
	_, token := beside.page(t, "per=2")
	if token == "" {
		t.Fatal("no token")
	}
	return token
}

// conversationToken returns a token of the conversations of the tenant.
func (n *tenant) conversationToken(t *testing.T) string {
	t.Helper()
	ch := n.channel(t, "V2", "viber")
	for i := range 3 {
		n.hear(t, ch, fmt.Sprint("contact ", i), fmt.Sprint(i), "x")
	}
	got := n.get(t, "/p1/companies/{C}/conversations?per=2").expect(t, "ok")
	token, _ := got.at("data", "next_page").(string)
	if token == "" {
		t.Fatalf("no token in %s", got.text)
	}
	return token
}

func deletedBetween(t *testing.T, n *tenant) {
	ids := five(t, n)
	_, token := n.page(t, "per=2")
	for _, name := range []string{"{N1}", "{N2}"} {
		n.do(t, request{line: "DELETE " + channelsPath + "/" + name}).expect(t, "deleted")
	}
	if got, _ := n.page(t, "per=2&from="+token); !cmp.Equal(got, ids[3:]) {
		t.Errorf("got %v, want %v", got, ids[3:])
	}
}
