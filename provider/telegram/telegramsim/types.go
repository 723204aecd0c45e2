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
	Title     string `json:"title,omitempty"`
	Username  string `json:"username,omitempty"`
	Type      string `json:"type"`
	IsForum   bool   `json:"is_forum,omitempty"`
	AllAdmins *bool  `json:"all_members_are_administrators,omitempty"` // basic groups only
}

// The types of chat.
const (
	chatPrivate    = "private"
	chatGroup      = "group"
	chatSupergroup = "supergroup"
	chatChannel    = "channel"
)

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

// A message is immutable once stored; an edit stores a new one. Without Date it
// is what callback queries show of a message that is no longer accessible.
type message struct {
	MessageID  int64     `json:"message_id"`
	From       *user     `json:"from,omitempty"` // nil in channels
	SenderChat *chatInfo `json:"sender_chat,omitempty"`
	Signature  string    `json:"author_signature,omitempty"`
	Chat       *chatInfo `json:"chat"`
	Date       int64     `json:"date"`
	EditDate   int64     `json:"edit_date,omitempty"`
	ThreadID   int64     `json:"message_thread_id,omitempty"`
	InTopic    bool      `json:"is_topic_message,omitempty"`
	forward
	ReplyTo    *message   `json:"reply_to_message,omitempty"`
	Quote      *textQuote `json:"quote,omitempty"`
	MediaGroup string     `json:"media_group_id,omitempty"`
	Text       string     `json:"text,omitempty"`
	Entities   []entity   `json:"entities,omitempty"`
	content
	service
	ReplyMarkup json.RawMessage `json:"reply_markup,omitempty"`

	// sender is the person who wrote it: From does not tell in channels and for
	// anonymous administrators. 0 means the bot whose chat this is.
	sender int64
}

// nobody is a sender who is not known.
const nobody = -1

// content is what a message shows beside text; at most one kind of it, but for
// the two that Telegram shows twice: an animation is also a document, a venue
// also a location.
type content struct {
	Photo           []photoSize    `json:"photo,omitempty"` // ascending
	Animation       *animation     `json:"animation,omitempty"`
	Document        *document      `json:"document,omitempty"`
	Voice           *voice         `json:"voice,omitempty"`
	Audio           *audio         `json:"audio,omitempty"`
	Video           *video         `json:"video,omitempty"`
	VideoNote       *videoNote     `json:"video_note,omitempty"`
	Sticker         *sticker       `json:"sticker,omitempty"`
	Venue           *venue         `json:"venue,omitempty"`
	Location        *location      `json:"location,omitempty"`
	Contact         *contact       `json:"contact,omitempty"`
	Dice            *dice          `json:"dice,omitempty"`
	Poll            *pollQuestions `json:"poll,omitempty"`
	WebApp          *webAppData    `json:"web_app_data,omitempty"`
	Caption         string         `json:"caption,omitempty"`
	CaptionEntities []entity       `json:"caption_entities,omitempty"`
}

// service is what a message tells about the chat itself.
type service struct {
	NewMembers   []user      `json:"new_chat_members,omitempty"`
	LeftMember   *user       `json:"left_chat_member,omitempty"`
	NewTitle     string      `json:"new_chat_title,omitempty"`
	NewPhoto     []photoSize `json:"new_chat_photo,omitempty"`
	PhotoDeleted bool        `json:"delete_chat_photo,omitempty"`
	GroupCreated bool        `json:"group_chat_created,omitempty"`
	MigrateTo    int64       `json:"migrate_to_chat_id,omitempty"`
	MigrateFrom  int64       `json:"migrate_from_chat_id,omitempty"`
	TopicCreated *forumTopic `json:"forum_topic_created,omitempty"`
}

// forward says where a message was first, in the present form and in the older
// fields that the server still sends beside it.
type forward struct {
	Origin        *origin   `json:"forward_origin,omitempty"`
	ForwardFrom   *user     `json:"forward_from,omitempty"`
	ForwardName   string    `json:"forward_sender_name,omitempty"`
	ForwardChat   *chatInfo `json:"forward_from_chat,omitempty"`
	ForwardID     int64     `json:"forward_from_message_id,omitempty"`
	ForwardSigned string    `json:"forward_signature,omitempty"`
	ForwardDate   int64     `json:"forward_date,omitempty"`
}

type origin struct {
	Type       string    `json:"type"` // user, hidden_user, chat, channel
	Date       int64     `json:"date"`
	User       *user     `json:"sender_user,omitempty"`
	Name       string    `json:"sender_user_name,omitempty"`
	SenderChat *chatInfo `json:"sender_chat,omitempty"`
	Chat       *chatInfo `json:"chat,omitempty"`
	MessageID  int64     `json:"message_id,omitempty"`
	Signature  string    `json:"author_signature,omitempty"`
}

type textQuote struct {
	Text     string `json:"text"`
	Position int    `json:"position"` // UTF-16 code units
	Manual   bool   `json:"is_manual,omitempty"`
}

// fileRef is what every file in a message has.
type fileRef struct {
	ID     string `json:"file_id"`
	Unique string `json:"file_unique_id"`
	Size   int64  `json:"file_size,omitempty"` // bytes
}

type photoSize struct {
	fileRef
	Width  int `json:"width"`
	Height int `json:"height"`
}

// thumbs are a small picture under its present and its older name.
type thumbs struct {
	Thumbnail *photoSize `json:"thumbnail,omitempty"`
	Thumb     *photoSize `json:"thumb,omitempty"`
}

type document struct {
	Name string `json:"file_name,omitempty"`
	Mime string `json:"mime_type,omitempty"`
	thumbs
	fileRef
}

type voice struct {
	Duration int    `json:"duration"` // seconds, here and below
	Mime     string `json:"mime_type,omitempty"`
	fileRef
}

type audio struct {
	Duration  int    `json:"duration"`
	Name      string `json:"file_name,omitempty"`
	Mime      string `json:"mime_type,omitempty"`
	Title     string `json:"title,omitempty"`
	Performer string `json:"performer,omitempty"`
	thumbs
	fileRef
}

type video struct {
	Duration int    `json:"duration"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Name     string `json:"file_name,omitempty"`
	Mime     string `json:"mime_type,omitempty"`
	thumbs
	fileRef
}

type animation video

type videoNote struct {
	Duration int `json:"duration"`
	Length   int `json:"length"` // pixels, of each side
	thumbs
	fileRef
}

type sticker struct {
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Emoji    string `json:"emoji,omitempty"`
	Set      string `json:"set_name,omitempty"`
	Animated bool   `json:"is_animated"`
	Video    bool   `json:"is_video"`
	Type     string `json:"type"`
	thumbs
	fileRef
}

type location struct {
	Latitude   float64 `json:"latitude"`
	Longitude  float64 `json:"longitude"`
	Accuracy   float64 `json:"horizontal_accuracy,omitempty"` // metres
	LivePeriod int     `json:"live_period,omitempty"`         // seconds
	Heading    int     `json:"heading,omitempty"`             // degrees
}

type venue struct {
	Location   location `json:"location"`
	Title      string   `json:"title"`
	Address    string   `json:"address"`
	Foursquare string   `json:"foursquare_id,omitempty"`
}

type contact struct {
	Phone     string `json:"phone_number"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name,omitempty"`
	VCard     string `json:"vcard,omitempty"`
	UserID    int64  `json:"user_id,omitempty"`
}

type dice struct {
	Emoji string `json:"emoji"`
	Value int    `json:"value"`
}

type pollQuestions struct {
	ID        string       `json:"id"`
	Question  string       `json:"question"`
	Options   []pollOption `json:"options"`
	Voters    int          `json:"total_voter_count"`
	Closed    bool         `json:"is_closed"`
	Anonymous bool         `json:"is_anonymous"`
	Type      string       `json:"type"`
	Multiple  bool         `json:"allows_multiple_answers"`
}

type pollOption struct {
	Text   string `json:"text"`
	Voters int    `json:"voter_count"`
}

type webAppData struct {
	Data   string `json:"data"`
	Button string `json:"button_text"`
}

type forumTopic struct {
	Name  string `json:"name"`
	Color int    `json:"icon_color"`
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
	Message      *message `json:"message,omitempty"`
	InlineID     string   `json:"inline_message_id,omitempty"`
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

// chatPhoto is a chat's picture as getChat shows it.
type chatPhoto struct {
	SmallID     string `json:"small_file_id"`
	SmallUnique string `json:"small_file_unique_id"`
	BigID       string `json:"big_file_id"`
	BigUnique   string `json:"big_file_unique_id"`
}

// chatFull is a chat as getChat shows it.
type chatFull struct {
	chatInfo
	Photo *chatPhoto `json:"photo,omitempty"`
}

type profilePhotos struct {
	Total  int           `json:"total_count"`
	Photos [][]photoSize `json:"photos"`
}

// fileInfo is the answer of getFile.
type fileInfo struct {
	fileRef
	Path string `json:"file_path,omitempty"`
}
