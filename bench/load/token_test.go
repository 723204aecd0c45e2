package load

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestTokenSurvivesTheText(t *testing.T) {
	t.Parallel()
	in := Token{Run: "k3x", Key: 7, Seq: 42, Sent: time.Unix(1, 5)}
	b := in.Append([]byte(`{"text":"bench.x no token `))
	got, ok := FindToken(append(b, `"}`...))
	if !ok || got != in {
		t.Fatalf("got %v %v, want %v", got, ok, in)
	}
	if _, ok := FindToken([]byte("bench.a.1.2")); ok {
		t.Fatal("found a token cut short")
	}
}

// FuzzFindToken: whatever text a token is found in, it has the token's own text.
func FuzzFindToken(f *testing.F) {
	f.Add([]byte("Hello bench.k3x.7.42.1000000005."))
	f.Add([]byte("bench.bench.a.1.2.3.4."))
	f.Add([]byte("bench..1.2.3."))
	f.Add([]byte("bench.a.-1.2.3."))
	f.Fuzz(func(t *testing.T, b []byte) {
		tok, ok := FindToken(b)
		if !ok {
			return
		}
		if tok.Run == "" || tok.Key < 0 || tok.Seq < 0 {
			t.Fatalf("%q: got %+v", b, tok)
		}
		if again, ok := FindToken(tok.Append(nil)); !ok || again != tok {
			t.Fatalf("%q: got %+v, and from its own text %+v", b, tok, again)
		}
	})
}

func TestTelegramTextIsValid(t *testing.T) {
	t.Parallel()
	v := &vars{id: 1 << 40, chat: 5, unix: 9, text: "Hi", tok: Token{"r", 1, 2, time.Now()}}
	var u struct {
		UpdateID int64 `json:"update_id"`
		Message  struct {
			Chat struct{ ID int64 }
			Text string
		}
	}
	if err := json.Unmarshal(parseTemplate(TelegramText).append(nil, v), &u); err != nil {
		t.Fatal(err)
	}
	if u.UpdateID != 1<<40 || u.Message.Chat.ID != 5 || !strings.HasPrefix(u.Message.Text, "Hi bench.r.1.2.") {
		t.Fatalf("got %+v", u)
	}
}
