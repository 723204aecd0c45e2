package telegram

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"github.com/parley-im/parley/connector"
)

// contentKeys are the keys of what a person can say, the telling one first where a
// message has two: an animation is also a document, a venue also a location.
// Source: Bot API, Message, read 2026-11.
var contentKeys = []string{
	"animation", "photo", "video", "video_note", "voice", "audio", "document", "sticker",
	"venue", "location", "contact", "poll", "dice", "game", "story", "checklist", "paid_media",
	"giveaway", "giveaway_winners", "invoice", "successful_payment", "web_app_data",
	"users_shared", "chat_shared", "passport_data", "gift", "unique_gift",
}

// services are the keys of messages that nobody wrote. Source: Bot API, Message,
// read 2026-11.
var services = []string{
	"new_chat_members", "new_chat_member", "new_chat_participant", "left_chat_member", "left_chat_participant",
	"new_chat_title", "new_chat_photo", "delete_chat_photo", "group_chat_created", "supergroup_chat_created",
	"channel_chat_created", "message_auto_delete_timer_changed", "migrate_to_chat_id", "migrate_from_chat_id",
	"pinned_message", "refunded_payment", "connected_website", "write_access_allowed", "proximity_alert_triggered",
	"boost_added", "chat_background_set", "checklist_tasks_done", "checklist_tasks_added",
	"direct_message_price_changed", "paid_message_price_changed", "forum_topic_created", "forum_topic_edited",
	"forum_topic_closed", "forum_topic_reopened", "general_forum_topic_hidden", "general_forum_topic_unhidden",
	"giveaway_created", "giveaway_completed", "suggested_post_approved", "suggested_post_approval_failed",
	"suggested_post_declined", "suggested_post_paid", "suggested_post_refunded", "video_chat_scheduled",
	"video_chat_started", "video_chat_ended", "video_chat_participants_invited", "voice_chat_scheduled",
	"voice_chat_started", "voice_chat_ended", "voice_chat_participants_invited",
}

// envelope are the keys of a message that are about it and not in it. Source:
// Bot API, Message, read 2026-11.
var envelope = []string{
	"message_id", "message_thread_id", "direct_messages_topic", "from", "sender_chat", "sender_boost_count",
	"sender_business_bot", "sender_tag", "date", "business_connection_id", "chat", "forward_origin", "forward_from",
	"forward_from_chat", "forward_from_message_id", "forward_sender_name", "forward_signature", "forward_date",
	"is_topic_message", "is_automatic_forward", "reply_to_message", "external_reply", "quote", "reply_to_story",
	"reply_to_checklist_task_id", "via_bot", "edit_date", "has_protected_content", "is_from_offline", "is_paid_post",
	"media_group_id", "author_signature", "paid_star_count", "text", "entities", "link_preview_options",
	"suggested_post_info", "effect_id", "caption", "caption_entities", "show_caption_above_media",
	"has_media_spoiler", "reply_markup", "thumb",
}

var updateKeys = []string{"update_id"}

// messageKeys are where an update can hold a message, in the order in which they
// are looked for.
var messageKeys = []string{"message", "edited_message", "channel_post", "edited_channel_post"}

// unread names what a message holds that none of contents could be read of: the
// kind of something that a person said, or else why nobody said anything. A key
// that is not known at all is taken for a new kind of content, so that what a
// person says is at least seen.
func (d decoder) unread(c *contents) (saying, note) {
	keys := d.messageFields()
	if kind := first(keys, contentKeys); kind != "" {
		return saying{unsupported: kind}, note{}
	}
	if kind := first(keys, services); kind != "" {
		return saying{}, c.service(kind)
	}
	if kind := strange(keys, envelope); kind != "" {
		return saying{unsupported: word(kind)}, note{}
	}
	return saying{}, note{what: connector.Unknown{Reason: "a message without content"}}
}

func (d decoder) messageFields() map[string]json.RawMessage {
	keys := fields(d.raw)
	return fields(keys[first(keys, messageKeys)])
}

// first returns the first of the names that is a key, empty if none is.
func first(keys map[string]json.RawMessage, names []string) string {
	for _, k := range names {
		if has(keys, k) {
			return k
		}
	}
	return ""
}

func has(keys map[string]json.RawMessage, key string) bool {
	value, ok := keys[key]
	return ok && string(value) != "null"
}

// fields returns the members of an object, nil of anything else.
func fields(raw []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

// strange returns the first key in order that is not among the known ones.
func strange(keys map[string]json.RawMessage, known []string) string {
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if has(keys, k) && !slices.Contains(known, k) {
			return k
		}
	}
	return ""
}

var wordShape = regexp.MustCompile(`^[A-Za-z0-9_]{1,40}$`)

// word returns a word of the provider's that may be shown and logged, and a
// placeholder for one that may not.
func word(s string) string {
	if wordShape.MatchString(s) {
		return s
	}
	return "unknown"
}
