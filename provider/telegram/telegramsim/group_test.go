package telegramsim_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

const (
	teamID  = "-4100000000"
	superID = "-1002100000000"
	team    = `{"id":-4100000000,"title":"Team","type":"group","all_members_are_administrators":false}`
	forum   = `{"id":-1002100000000,"title":"Forum","type":"supergroup","is_forum":true}`
	channel = `{"id":-1002100000000,"title":"News","username":"news","type":"channel"}`
	shop    = `{"id":123456789,"is_bot":true,"first_name":"Shop","username":"shop_bot"}`
)

// show are updates without numbers and dates.
func show(us []object) []any {
	out := []any{}
	for _, u := range us {
		for _, v := range u {
			if o, ok := v.(object); ok {
				delete(o, "message_id")
			}
		}
		out = append(out, scrub(without(u, "update_id")))
	}
	return out
}

func sameNews(t *testing.T, got []object, want ...string) {
	t.Helper()
	objects := []any{}
	for _, text := range want {
		objects = append(objects, any(jsonObject(t, text)))
	}
	if diff := cmp.Diff(objects, show(got)); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
}

func notice(chat, rest string) string {
	return `{"message":{"from":` + annJSON + `,"chat":` + chat + `,"date":"?",` + rest + `}}`
}

func standing(chat, was, is string) string {
	m := func(status string) string {
		until := ""
		if status == "kicked" {
			until = `,"until_date":0`
		}
		return `{"user":` + shop + `,"status":"` + status + `"` + until + `}`
	}
	return `{"my_chat_member":{"chat":` + chat + `,"from":` + annJSON + `,"date":"?","old_chat_member":` + m(was) + `,"new_chat_member":` + m(is) + `}}`
}

func TestGroupStory(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	made := does(t, s, "groups", "title=Team")
	if made.num("id") != -4100000000 || made.out["said"].(object)["update_id"] == 0.0 {
		t.Errorf("made %v", made.out)
	}
	sameNews(t, news(t, s), standing(team, "left", "member"), notice(team, `"group_chat_created":true`))
	does(t, s, "join", "chat=team&person=Bob")
	us := news(t, s)
	bob := us[0]["message"].(object)
	if m, _ := bob["new_chat_members"].([]any); len(m) != 1 || !cmp.Equal(m[0], bob["from"]) || m[0].(object)["first_name"] != "Bob" {
		t.Errorf("joined: %v", bob)
	}
	does(t, s, "title", "chat="+teamID+"&title=Crew")
	crew := strings.Replace(team, "Team", "Crew", 1)
	sameNews(t, news(t, s), notice(crew, `"new_chat_title":"Crew"`))
	does(t, s, "leave", "chat=Crew&person=Bob")
	if m := one(t, s, "message"); m["left_chat_member"].(object)["first_name"] != "Bob" {
		t.Errorf("left: %v", m)
	}
	does(t, s, "promote", "chat=Crew&role=administrator")
	sameNews(t, news(t, s), standing(crew, "member", "administrator"))
	does(t, s, "kick", "chat=Crew")
	sameNews(t, news(t, s), notice(crew, `"left_chat_member":`+shop), standing(crew, "administrator", "kicked"))
	does(t, s, "add", "chat=Crew&role=administrator")
	sameNews(t, news(t, s), standing(crew, "kicked", "administrator"), notice(crew, `"new_chat_members":[`+shop+`]`))
	does(t, s, "kick", "chat=Crew&banned=false")
	sameNews(t, news(t, s), notice(crew, `"left_chat_member":`+shop), standing(crew, "administrator", "left"))
	list := control(s, "GET", "/groups", "").out["groups"].([]any)
	want := jsonObject(t, `{"id":-4100000000,"type":"group","title":"Crew","members":["5550001"]}`)
	if diff := cmp.Diff([]any{want}, list); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestPrivacyMode(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{Local: true})
	does(t, s, "groups", "title=Team&members=Ann,Bob")
	does(t, s, "say", "chat=Team&person=Bob&text=/hi")
	news(t, s)
	call(s, "sendMessage", params{"chat_id": teamID, "text": "answer"})
	tests := []struct {
		verb, body string
		heard      bool
	}{
		{"say", "text=hello", false}, {"photo", "", false}, {"say", "text=hello+/cmd", false}, {"say", "text=/cmd+x", true},
		{"say", "text=/cmd@shop_bot", true}, {"say", "text=/cmd@SHOP_bot+x", true}, {"say", "text=/cmd@other_bot", false},
		{"say", "text=thanks&reply_to=3", true}, {"say", "text=what&reply_to=2", false}, {"title", "title=Team", true},
		{"edit", "message_id=4&text=/now", true}, {"edit", "message_id=4&text=quiet", false},
	}
	check := func(all bool) {
		t.Helper()
		for _, tt := range tests {
			said := does(t, s, tt.verb, "chat=Team&person=Ann&"+tt.body)
			us, heard := news(t, s), tt.heard || all
			if (len(us) == 1) != heard || (said.num("update_id") != 0) != heard {
				t.Errorf("all %t, %s %s: %d updates, said %v, want heard %t", all, tt.verb, tt.body, len(us), said.out, heard)
			}
		}
	}
	canReadAll := func(want bool) {
		t.Helper()
		var me object
		call(s, "getMe", nil).into(t, &me)
		if me["can_read_all_group_messages"] != want {
			t.Errorf("getMe = %v, want can_read_all_group_messages %t", me, want)
		}
	}
	does(t, s, "say", "chat=Team&person=Ann&text=to+be+edited") // message 4
	if us := news(t, s); len(us) != 0 {
		t.Errorf("got %v", us)
	}
	canReadAll(false)
	check(false)
	does(t, s, "privacy", "on=false")
	canReadAll(true)
	check(true)
	does(t, s, "privacy", "")
	check(false)
	does(t, s, "promote", "chat=Team&role=administrator")
	news(t, s)
	check(true)
}

func TestAnonymousAdministrator(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	does(t, s, "groups", "title=Forum&type=supergroup&forum=true&role=administrator")
	news(t, s)
	does(t, s, "say", "chat=Forum&text=notice&anonymous=true&signature=boss")
	sameNews(t, news(t, s), `{"message":{"from":{"id":1087968824,"is_bot":true,"first_name":"Group","username":"GroupAnonymousBot"},
		"sender_chat":`+forum+`,"author_signature":"boss","chat":`+forum+`,"date":"?","text":"notice"}}`)
	does(t, s, "edit", "chat=Forum&message_id=2&text=changed")
	if m := one(t, s, "edited_message"); m["from"].(object)["id"] != 1087968824.0 || m["text"] != "changed" {
		t.Errorf("edited %v", m)
	}
}

func TestForumTopics(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	does(t, s, "groups", "title=Forum&type=supergroup&forum=true&role=administrator")
	news(t, s)
	topic := does(t, s, "topic", "chat=Forum&name=Orders")
	id := itoa(topic.num("message_id"))
	const created = `"forum_topic_created":{"name":"Orders","icon_color":7322096},"message_thread_id":2,"is_topic_message":true`
	sameNews(t, news(t, s), notice(forum, created))
	does(t, s, "say", "chat=Forum&text=first&topic="+id)
	m := one(t, s, "message")
	r, _ := m["reply_to_message"].(object)
	if m["message_thread_id"] != 2.0 || m["is_topic_message"] != true || r["message_id"] != 2.0 || r["forum_topic_created"] == nil {
		t.Errorf("in the topic: %v", m)
	}
	does(t, s, "say", "chat=Forum&text=answer&reply_to=3")
	m = one(t, s, "message")
	r, _ = m["reply_to_message"].(object)
	if m["message_thread_id"] != 2.0 || m["is_topic_message"] != true || r["text"] != "first" || r["reply_to_message"] != nil {
		t.Errorf("a reply in the topic: %v", m)
	}
	does(t, s, "say", "chat=Forum&text=general")
	if m = one(t, s, "message"); m["message_thread_id"] != nil || m["reply_to_message"] != nil {
		t.Errorf("outside of topics: %v", m)
	}
}

func TestChannel(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{Local: true})
	does(t, s, "groups", "title=News&type=channel&username=@news")
	sameNews(t, news(t, s), standing(channel, "left", "administrator"))
	does(t, s, "say", "chat=@news&text=post&signature=Ed")
	post := `{"channel_post":{"sender_chat":` + channel + `,"author_signature":"Ed","chat":` + channel + `,"date":"?","text":"post"}}`
	sameNews(t, news(t, s), post)
	does(t, s, "edit", "chat=News&message_id=1&text=corrected")
	sameNews(t, news(t, s), strings.NewReplacer("channel_post", "edited_channel_post", `"post"`, `"corrected","edit_date":"?"`).Replace(post))
	does(t, s, "photo", "chat=News&person=Ann")
	if m := one(t, s, "channel_post"); m["photo"] == nil || m["from"] != nil {
		t.Errorf("a photo in the channel: %v", m)
	}
	does(t, s, "join", "chat=News&person=Bob")
	if us := news(t, s); len(us) != 0 {
		t.Errorf("a subscriber is news: %v", us)
	}
	does(t, s, "kick", "chat=News")
	sameNews(t, news(t, s), standing(channel, "administrator", "kicked"))
}

func TestMigration(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	does(t, s, "privacy", "on=false")
	does(t, s, "groups", "title=Team&members=Ann,Bob")
	does(t, s, "avatar", "chat=Team")
	news(t, s)
	moved := does(t, s, "migrate", "chat=Team&person=Ann")
	if moved.num("id") != -1002100000000 || moved.out["type"] != "supergroup" || len(moved.out["members"].([]any)) != 2 {
		t.Errorf("migrated to %v", moved.out)
	}
	const to = `{"id":-1002100000000,"title":"Team","type":"supergroup"}`
	us := news(t, s)
	if id := us[1]["message"].(object)["message_id"]; id != 1.0 {
		t.Errorf("the supergroup begins with message %v", id)
	}
	sameNews(t, us, notice(team, `"migrate_to_chat_id":-1002100000000`), `{"message":{
		"from":{"id":1087968824,"is_bot":true,"first_name":"Group","username":"GroupAnonymousBot"},"sender_chat":`+to+`,
		"chat":`+to+`,"date":"?","migrate_from_chat_id":-4100000000}}`)
	does(t, s, "say", "chat=Team&person=Ann&text=here") // the title now means the new one
	if m := one(t, s, "message"); m["chat"].(object)["id"] != -1002100000000.0 || m["message_id"] != 2.0 {
		t.Errorf("said %v", m)
	}
	if got := control(s, "POST", "/say", "chat="+teamID+"&person=Ann&text=there"); got.status != 400 || !strings.Contains(got.out["error"].(string), "supergroup") {
		t.Errorf("the old group is alive: %v", got.out)
	}
	var full object
	call(s, "getChat", params{"chat_id": superID}).into(t, &full)
	if full["photo"] == nil {
		t.Errorf("the photo is gone: %v", full)
	}
}

// A simulator that starts behind all former messages does so in the supergroup, too.
func TestMigrationFirstMessage(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{FirstMessage: 500})
	does(t, s, "groups", "title=Team&members=Ann")
	news(t, s)
	does(t, s, "migrate", "chat=Team")
	if us := news(t, s); us[1]["message"].(object)["message_id"] != 501.0 {
		t.Errorf("the supergroup begins with message %v, want 501", us[1]["message"])
	}
}

func TestSeveralBotsInAGroup(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind   string
		shared bool // one row of numbers for all
	}{{"group", false}, {"supergroup", true}} {
		s := newStage(t, telegramsim.Options{Local: true})
		must(s.AddBot(otherToken, "Other", "other_bot"))(t)
		does(t, s, "groups", "title=Team&type="+tt.kind+"&account=shop_bot&role=administrator")
		does(t, s, "say", "chat=Team&text=alone")
		does(t, s, "add", "chat=Team&account=other_bot&role=administrator")
		news(t, s)
		newsOf(t, s, otherToken)
		said := does(t, s, "album", "chat=Team&account=other_bot")
		if said.num("account") != 987654321 {
			t.Errorf("%s: said %v, want the other bot's view", tt.kind, said.out)
		}
		mine, others := news(t, s), newsOf(t, s, otherToken)
		if len(mine) != 3 || len(others) != 3 {
			t.Fatalf("%s: %d and %d updates, want 3 each", tt.kind, len(mine), len(others))
		}
		for i := range mine {
			a, b := mine[i]["message"].(object), others[i]["message"].(object)
			if (a["message_id"] == b["message_id"]) != tt.shared || a["media_group_id"] != b["media_group_id"] {
				t.Errorf("%s: item %d is %v and %v", tt.kind, i, a, b)
			}
		}
		a, b := fileID(mine[2]["message"].(object), "video"), fileID(others[2]["message"].(object), "video")
		if a == b || a == "" {
			t.Errorf("%s: both bots got the file_id %q", tt.kind, a)
		}
		does(t, s, "edit", "chat=Team&account=other_bot&caption=x&message_id="+itoa(said.num("message_id")))
		if n := len(news(t, s)); (n == 1) != tt.shared || len(newsOf(t, s, otherToken)) != 1 {
			t.Errorf("%s: an edit made %d updates for the first bot", tt.kind, n)
		}
	}
}

func TestChatMemberIsForAdministratorsWhoAsk(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{Local: true})
	call(s, "getUpdates", params{"allowed_updates": `["chat_member"]`})
	does(t, s, "groups", "title=Team")
	does(t, s, "join", "chat=Team&person=Bob")
	if us := news(t, s); len(us) != 0 {
		t.Errorf("a member got %v", us)
	}
	does(t, s, "promote", "chat=Team&role=administrator")
	does(t, s, "leave", "chat=Team&person=Bob")
	u := one(t, s, "chat_member")
	if u["old_chat_member"].(object)["status"] != "member" || u["new_chat_member"].(object)["status"] != "left" {
		t.Errorf("got %v", u)
	}
	call(s, "getUpdates", params{"allowed_updates": `[]`})
	does(t, s, "join", "chat=Team&person=Bob")
	if got := kinds(news(t, s)); !cmp.Equal(got, []string{"message"}) {
		t.Errorf("by default an administrator gets %v", got)
	}
}

func TestGroupRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	tests := []struct {
		verb, body string
		status     int
		want       string
	}{
		{"groups", "type=club", 400, "type must"}, {"groups", "username=x", 400, "neither"}, {"groups", "forum=true", 400, "neither"},
		{"groups", "type=channel&forum=true", 400, "no topics"}, {"groups", "id=5", 400, "negative"}, {"groups", "id=-1002100000099", 400, "below"},
		{"groups", "type=channel&id=-5", 400, "below"}, {"groups", "id=x", 400, "id must"}, {"groups", "id=" + teamID, 400, "taken"},
		{"groups", "account=9", 404, "account"}, {"groups", "members=5550001,123456789", 404, "person"}, {"groups", "account=shop_bot&role=king", 400, "role must"},
		{"groups", "account=shop_bot&type=channel&role=member", 400, "administrators of channels"},
		{"say", "chat=Team&person=Old&text=x", 400, "deactivated"}, {"say", "chat=Empty&text=x", 400, "POST add"}, {"say", "chat=Team&text=x&account=other_bot", 400, "POST add"},
		{"say", "chat=Team&text=x&account=9", 404, "account"}, {"say", "chat=Team&text=x&anonymous=true", 400, "supergroup"},
		{"say", "chat=Team&text=x&topic=1", 400, "no topics"}, {"say", "chat=Forum&text=x&topic=99", 404, "POST topic"},
		{"say", "chat=Team&text=x&signature=x", 400, "signed"}, {"say", "chat=Team&text=x&reply_to=99", 404, "reply_to"},
		{"edit", "chat=Nowhere&text=x&message_id=1", 404, "chat"}, {"edit", "chat=Team&text=x&message_id=1", 404, "no message"},
		{"edit", "chat=Team&text=x&message_id=2&person=Bob", 404, "no message"}, {"edit", "chat=Empty&text=x&message_id=1", 400, "POST add"},
		{"title", "chat=Team", 400, "128"}, {"title", "chat=Team&title=" + long, 400, "128"}, {"title", "chat=Nowhere&title=x", 404, "chat"},
		{"topic", "chat=Team&name=x", 400, "forum=true"}, {"topic", "chat=Forum", 400, "128"}, {"topic", "chat=Forum&name=" + long, 400, "128"},
		{"topic", "chat=Nowhere&name=x", 404, "chat"}, {"topic", "chat=Empty&name=x", 400, "forum=true"},
		{"add", "chat=Team&account=shop_bot", 400, "POST promote"}, {"add", "chat=Nowhere&account=shop_bot", 404, "chat"}, {"add", "chat=Empty&account=9", 404, "account"},
		{"promote", "chat=Empty&account=shop_bot", 400, "POST add"}, {"promote", "chat=Team&account=shop_bot&role=member", 400, "already"},
		{"promote", "chat=Nowhere&account=shop_bot", 404, "chat"}, {"promote", "chat=Team&account=9", 404, "account"},
		{"kick", "chat=Empty&account=shop_bot", 400, "not in"}, {"kick", "chat=Nowhere&account=shop_bot", 404, "chat"}, {"kick", "chat=Team&account=9", 404, "account"},
		{"join", "chat=Team&person=Ann", 400, "there already"}, {"leave", "chat=Team&person=Zed", 400, "gone already"}, {"join", "chat=Nowhere", 404, "chat"},
		{"join", "chat=Team&person=Old", 400, "deactivated"}, {"migrate", "chat=Forum", 400, "basic group"}, {"migrate", "chat=Nowhere", 404, "chat"},
		{"avatar", "chat=Team&remove=true", 404, "no photo"}, {"avatar", "chat=Nowhere", 404, "chat"},
		{"press", "chat=Team&account=shop_bot&person=Ann&message_id=1&data=x", 404, "inline button"}, {"press", "chat=Nowhere&account=shop_bot&person=Ann", 404, "chat"},
		{"press", "chat=Empty&account=shop_bot&person=Ann&data=x", 400, "POST add"}, {"press", "chat=Team&account=shop_bot&person=Old&data=x", 400, "deactivated"},
	}
	s := newStage(t, telegramsim.Options{})
	must(s.AddBot(otherToken, "Other", "other_bot"))(t)
	does(t, s, "groups", "title=Team&account=shop_bot&person=Ann")
	does(t, s, "say", "chat=Team&text=x&person=Ann")
	does(t, s, "groups", "title=Forum&type=supergroup&forum=true&account=shop_bot&person=Ann")
	does(t, s, "groups", "title=Empty&bot=false&members=Ann")
	must(s.AddPerson(telegramsim.Person{FirstName: "Old"}))(t)
	does(t, s, "deactivate", "person=Old")
	for _, tt := range tests {
		t.Run(tt.verb+" "+tt.body[:min(len(tt.body), 50)], func(t *testing.T) {
			got := control(s, "POST", "/"+tt.verb, tt.body)
			if text, _ := got.out["error"].(string); got.status != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("%d %v, want %d with %q", got.status, got.out, tt.status, tt.want)
			}
		})
	}
}
