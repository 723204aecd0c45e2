package telegramsim

import "encoding/json"

// The shapes below are the provider's. Source: Bot API, Available types, read 2026-11.

type user struct {
	ID           int64  `json:"id"`
	IsBot        bool   `json:"is_bot"`
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name,omitempty"`
	Username     string `json:"username,omitempty"`
	LanguageCode string `json:"language_code,omitempty"`
}

type chatInfo struct {
	ID        int64  `json:"id"`
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
	Username  string `json:"username,omitempty"`
	Type      string `json:"type"`
}

// An entity marks a part of a text; offset and length are UTF-16 code units.
type entity struct {
	Type          string          `json:"type"`
	Offset        int             `json:"offset"`
	Length        int             `json:"length"`
	URL           string          `json:"url,omitempty"`
	Language      string          `json:"language,omitempty"`
	CustomEmojiID string          `json:"custom_emoji_id,omitempty"`
	User          json.RawMessage `json:"user,omitempty"`
}

// A message is immutable once stored; an edit stores a new one.
type message struct {
	MessageID   int64           `json:"message_id"`
	From        *user           `json:"from"`
	Chat        *chatInfo       `json:"chat"`
	Date        int64           `json:"date"`
	EditDate    int64           `json:"edit_date,omitempty"`
	ReplyTo     *message        `json:"reply_to_message,omitempty"`
	Text        string          `json:"text"`
	Entities    []entity        `json:"entities,omitempty"`
	ReplyMarkup json.RawMessage `json:"reply_markup,omitempty"`
}

type memberUpdate struct {
	Chat *chatInfo `json:"chat"`
	From *user     `json:"from"`
	Date int64     `json:"date"`
	Old  member    `json:"old_chat_member"`
	New  member    `json:"new_chat_member"`
}

type member struct {
	User      *user  `json:"user"`
	Status    string `json:"status"`
	UntilDate *int64 `json:"until_date,omitempty"`
}

type callbackQuery struct {
	ID           string   `json:"id"`
	From         *user    `json:"from"`
	Message      *message `json:"message"`
	ChatInstance string   `json:"chat_instance"`
	Data         string   `json:"data"`
}

type me struct {
	user
	CanJoinGroups   bool `json:"can_join_groups"`
	CanReadAll      bool `json:"can_read_all_group_messages"`
	InlineQueries   bool `json:"supports_inline_queries"`
	ConnectBusiness bool `json:"can_connect_to_business"`
	MainWebApp      bool `json:"has_main_web_app"`
}

type webhookInfo struct {
	URL              string   `json:"url"`
	Certificate      bool     `json:"has_custom_certificate"`
	Pending          int      `json:"pending_update_count"`
	IPAddress        string   `json:"ip_address,omitempty"`
	LastErrorDate    int64    `json:"last_error_date,omitempty"`
	LastErrorMessage string   `json:"last_error_message,omitempty"`
	MaxConnections   int      `json:"max_connections,omitempty"`
	AllowedUpdates   []string `json:"allowed_updates,omitempty"`
}
