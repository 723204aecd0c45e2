package telegramsim_test

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// TestMeet makes somebody who wrote before this simulator was started.
func TestMeet(t *testing.T) {
	t.Parallel()
	sim := telegramsim.New(telegramsim.Options{Local: true, FirstMessage: 5000})
	defer sim.Close()
	bot, err := sim.AddBot("", "Shop", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Meet("", "Ann"); err != nil {
		t.Fatal(err)
	}
	if sim.Accounts()[0].Pending != 0 {
		t.Error("meeting somebody made an update")
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	chat := sim.People()[0].ID
	resp, err := server.Client().PostForm(server.URL+"/bot"+bot.Token+"/sendMessage",
		url.Values{"chat_id": {itoa(chat)}, "text": {"hello again"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d, want 200: they know each other", resp.StatusCode)
	}
	said, err := sim.Say(telegramsim.Line{Text: "hi"})
	if err != nil || said.MessageID != 5002 {
		t.Errorf("message id %d (%v), want 5002", said.MessageID, err)
	}
}
