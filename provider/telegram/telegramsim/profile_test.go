package telegramsim_test

import (
	"image"
	"image/gif"
	"image/png"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

func gifEncode(w io.Writer, img image.Image) error { return gif.Encode(w, img, nil) }

// photosOf are the widths of the largest sizes that getUserProfilePhotos shows.
func photosOf(t *testing.T, s *telegramsim.Server, p params) (total int, widths []int) {
	t.Helper()
	var out struct {
		Total  int `json:"total_count"`
		Photos [][]struct{ Width int }
	}
	call(s, "getUserProfilePhotos", p).into(t, &out)
	widths = []int{}
	for _, sizes := range out.Photos {
		widths = append(widths, sizes[len(sizes)-1].Width)
	}
	return out.Total, widths
}

func TestProfilePhotos(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	say(t, s, "Ann", "hello")
	if total, widths := photosOf(t, s, params{"user_id": itoa(ann)}); total != 0 || len(widths) != 0 {
		t.Errorf("without photos: %d %v", total, widths)
	}
	for _, w := range []int{11, 22, 33} {
		uploads(t, s, "avatar", params{"person": "Ann"}, map[string]string{"file": encoded(t, w, w, gifEncode)})
	}
	tests := []struct {
		name string
		give params
		want []int
	}{
		{"all, newest first", params{}, []int{33, 22, 11}}, {"limit", params{"limit": "1"}, []int{33}},
		{"offset", params{"offset": "1"}, []int{22, 11}}, {"both", params{"offset": "1", "limit": "1"}, []int{22}},
		{"behind the end", params{"offset": "3"}, []int{}}, {"far behind the end", params{"offset": "1000"}, []int{}},
		{"limit below", params{"limit": "0"}, []int{33}}, {"limit above", params{"limit": "101"}, []int{33, 22, 11}},
		{"nonsense", params{"limit": "x", "offset": "-5"}, []int{33, 22, 11}},
	}
	for _, tt := range tests {
		tt.give["user_id"] = itoa(ann)
		if total, widths := photosOf(t, s, tt.give); total != 3 || !cmp.Equal(widths, tt.want) {
			t.Errorf("%s: %d %v, want 3 %v", tt.name, total, widths, tt.want)
		}
	}
	does(t, s, "avatar", "person=Ann&remove=true")
	if total, widths := photosOf(t, s, params{"user_id": itoa(ann)}); total != 0 || len(widths) != 0 {
		t.Errorf("after removal: %d %v", total, widths)
	}
}

func TestProfilePhotosRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	must(s.AddPerson(telegramsim.Person{ID: bob, FirstName: "Bob"}))(t)
	for _, id := range []string{"", "x", "-5", "0"} {
		call(s, "getUserProfilePhotos", params{"user_id": id}).refused(t, 400, "Bad Request: invalid user_id specified")
	}
	for _, id := range []string{"99", itoa(ann)} { // nobody, and somebody the bot has not met
		call(s, "getUserProfilePhotos", params{"user_id": id}).refused(t, 400, "Bad Request: user not found")
	}
	does(t, s, "groups", "title=Team&members=Ann")
	if total, _ := photosOf(t, s, params{"user_id": itoa(ann)}); total != 0 {
		t.Errorf("a member of a group has %d photos", total)
	}
	call(s, "getUserProfilePhotos", params{"user_id": itoa(bob)}).refused(t, 400, "Bad Request: user not found")
}

func TestGetChatShowsPhotos(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	say(t, s, "Ann", "hello")
	does(t, s, "groups", "title=Team&person=Ann")
	chat := func(id string) object {
		t.Helper()
		var o object
		call(s, "getChat", params{"chat_id": id}).into(t, &o)
		return o
	}
	for _, id := range []string{itoa(ann), teamID} {
		if o := chat(id); o["photo"] != nil {
			t.Errorf("%s has a photo: %v", id, o)
		}
	}
	given := encoded(t, 200, 400, png.Encode)
	for id, field := range map[string]params{itoa(ann): {"person": "Ann"}, teamID: {"chat": "Team"}} {
		uploads(t, s, "avatar", field, map[string]string{"file": given})
		photo, _ := chat(id)["photo"].(object)
		_, big := fetchFile(t, s, str(photo["big_file_id"]))
		_, small := fetchFile(t, s, str(photo["small_file_id"]))
		if string(big) != given || len(small) == 0 || photo["small_file_unique_id"] == photo["big_file_unique_id"] || str(photo["big_file_unique_id"]) == "" {
			t.Errorf("%s: photo %v with %d and %d bytes", id, photo, len(small), len(big))
		}
	}
	us := news(t, s)
	if m := us[len(us)-1]["message"].(object); m["new_chat_photo"] == nil {
		t.Errorf("the new photo is not announced: %v", m)
	}
	does(t, s, "avatar", "chat=Team&remove=true")
	if m := one(t, s, "message"); m["delete_chat_photo"] != true {
		t.Errorf("the removed photo is not announced: %v", m)
	}
	if o := chat(teamID); o["photo"] != nil {
		t.Errorf("the removed photo is still shown: %v", o)
	}
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func TestGetChatOfGroups(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	does(t, s, "groups", "title=Team")
	does(t, s, "groups", "title=Secret&bot=false")
	does(t, s, "groups", "title=News&type=channel&username=news&bot=false")
	var o object
	call(s, "getChat", params{"chat_id": teamID}).into(t, &o)
	if diff := cmp.Diff(jsonObject(t, team), o); diff != "" {
		t.Errorf("getChat (-want +got):\n%s", diff)
	}
	call(s, "getChat", params{"chat_id": "@News"}).into(t, &o)
	if o["title"] != "News" || o["type"] != "channel" {
		t.Errorf("getChat = %v", o)
	}
	for _, id := range []string{"-4100000001", "-5", "@nowhere", "nonsense", itoa(ann)} {
		call(s, "getChat", params{"chat_id": id}).refused(t, 400, "Bad Request: chat not found")
	}
	call(s, "getChat", nil).refused(t, 400, "Bad Request: chat_id is empty")
}
