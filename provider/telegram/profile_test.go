package telegram

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

var (
	annChat   = connector.Chat{ID: "5550001"}
	groupChat = connector.Chat{ID: "-1001234567890", Group: true, Name: "Old"}
)

const (
	photosWant = `{"user_id":5550001,"limit":1}`
	chatWant   = `{"chat_id":-1001234567890}`
)

func photos(result string) step {
	st := ok("getUserProfilePhotos", result)
	st.want = photosWant
	return st
}

func group(result string) step {
	st := ok("getChat", result)
	st.want = chatWant
	return st
}

func TestProfile(t *testing.T) {
	t.Parallel()
	avatar := func(id string, size int64, width int) *connector.File {
		return &connector.File{Kind: parley.FileAvatar, ID: "u" + id, Source: "f" + id, Type: "image/jpeg", Size: size, Width: width, Height: width}
	}
	const small, medium, large = `{"file_id":"f1","file_unique_id":"u1","file_size":10,"width":160,"height":160}`,
		`{"file_id":"f2","file_unique_id":"u2","file_size":20,"width":320,"height":320}`,
		`{"file_id":"f3","file_unique_id":"u3","file_size":30,"width":640,"height":640}`
	const huge, giant = `{"file_id":"f4","file_unique_id":"u4","width":641,"height":641}`, `{"file_id":"f5","file_unique_id":"u5","width":1280,"height":1280}`
	tests := []struct {
		name string
		chat connector.Chat
		step step
		want connector.Profile
	}{
		{"sizes", annChat, photos(`{"total_count":9,"photos":[[` + small + `,` + medium + `,` + large + `]]}`), connector.Profile{Picture: avatar("3", 30, 640)}},
		{"any order", annChat, photos(`{"total_count":1,"photos":[[` + large + `,` + small + `,` + medium + `]]}`), connector.Profile{Picture: avatar("3", 30, 640)}},
		{"one too wide", annChat, photos(`{"total_count":1,"photos":[[` + small + `,` + medium + `,` + huge + `]]}`), connector.Profile{Picture: avatar("2", 20, 320)}},
		{"all too wide", annChat, photos(`{"total_count":1,"photos":[[` + giant + `,` + huge + `]]}`), connector.Profile{Picture: avatar("4", 0, 641)}},
		{"several photos", annChat, photos(`{"total_count":2,"photos":[[` + small + `],[` + large + `]]}`), connector.Profile{Picture: avatar("1", 10, 160)}},
		{"hidden", annChat, photos(`{"total_count":0,"photos":[]}`), connector.Profile{}},
		{"size without id", annChat, photos(`{"photos":[[{"file_id":"","width":300},` + small + `]]}`), connector.Profile{Picture: avatar("1", 10, 160)}},
		{"group", groupChat, group(`{"id":-1001234567890,"type":"supergroup","title":" Shop talk ","photo":{"small_file_id":"f1","small_file_unique_id":"u1","big_file_id":"f2","big_file_unique_id":"u2"}}`),
			connector.Profile{Name: "Shop talk", Picture: avatar("2", 0, 0)}},
		{"group without photo", groupChat, group(`{"id":-1001234567890,"title":"Shop talk"}`), connector.Profile{Name: "Shop talk"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, tt.step)
			got, err := c.Profile(context.Background(), tt.chat)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("profile (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProfileFails(t *testing.T) {
	t.Parallel()
	refuse := func(method, description string) step {
		return step{method: method, status: 400, body: `{"ok":false,"error_code":400,"description":"Bad Request: ` + description + `"}`}
	}
	tests := []struct {
		name string
		chat connector.Chat
		step step
		want parley.Kind
	}{
		{"no photos", annChat, photos(`{}`), parley.KindUnavailable},
		{"null", annChat, photos(`null`), parley.KindUnavailable},
		{"no sizes", annChat, photos(`{"total_count":1,"photos":[[]]}`), parley.KindUnavailable},
		{"no ids", annChat, photos(`{"total_count":1,"photos":[[{"width":1}]]}`), parley.KindUnavailable},
		{"other shape", annChat, photos(`{"photos":"none"}`), parley.KindUnavailable},
		{"html", annChat, step{method: "getUserProfilePhotos", status: 200, body: "<html>"}, parley.KindUnavailable},
		{"user unknown", annChat, refuse("getUserProfilePhotos", "user not found"), parley.KindUnreachable},
		{"no group", groupChat, group(`{}`), parley.KindUnavailable},
		{"other group", groupChat, group(`{"id":-1,"title":"Other"}`), parley.KindUnavailable},
		{"photo without id", groupChat, group(`{"id":-1001234567890,"photo":{}}`), parley.KindUnavailable},
		{"true", groupChat, group(`true`), parley.KindUnavailable},
		{"group unknown", groupChat, refuse("getChat", "chat not found"), parley.KindUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, tt.step)
			got, err := c.Profile(context.Background(), tt.chat)
			if parley.KindOf(err) != tt.want || got != (connector.Profile{}) {
				t.Errorf("got %+v, %v; want kind %s", got, err, tt.want)
			}
		})
	}
	c, _ := serve(t)
	if _, err := c.Profile(context.Background(), connector.Chat{ID: "x"}); parley.KindOf(err) != parley.KindInvalid {
		t.Errorf("a chat without a number: got %v, want kind invalid and no request", err)
	}
}

// answering gives every request the same answer.
func answering(status int, body string) doer {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: -1, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func FuzzProfile(f *testing.F) {
	f.Add(200, `{"ok":true,"result":{"total_count":1,"photos":[[{"file_id":"f1","width":160}]]}}`)
	f.Add(200, `{"ok":true,"result":{"id":-1001234567890,"title":"a","photo":{"big_file_id":"f"}}}`)
	f.Add(502, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		c := open(t, envOf(answering(status, body)))
		for _, chat := range []connector.Chat{annChat, groupChat} {
			p, err := c.Profile(context.Background(), chat)
			if err != nil && (p != connector.Profile{} || parley.KindOf(err) == parley.KindInternal || parley.KindOf(err) == parley.KindUncertain) {
				t.Errorf("got %+v and %v of kind %s", p, err, parley.KindOf(err))
			}
			if f := p.Picture; f != nil && (f.Source == "" || f.ID == "" || f.Kind != parley.FileAvatar || f.Width < 0 || f.Height < 0 || f.Size < 0) {
				t.Errorf("got picture %+v", f)
			}
		}
	})
}
