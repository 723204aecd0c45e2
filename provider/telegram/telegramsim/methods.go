package telegramsim

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/parley-im/parley/simulator"
)

// A call is one method being run for one bot.
type call struct {
	*Server
	bot    *bot
	ctx    context.Context
	name   string
	params simulator.Params
}

// A method runs without any lock held; its error is an *apiError.
type method struct {
	name string
	run  func(*call) (any, error)
}

// methods finds a method by its lower-case name: names are case-insensitive.
var methods = table(
	method{"getMe", (*call).getMe},
	method{"getUpdates", (*call).getUpdates},
	method{"setWebhook", (*call).setWebhook},
	method{"deleteWebhook", (*call).deleteWebhook},
	method{"getWebhookInfo", (*call).getWebhookInfo},
	method{"sendMessage", (*call).sendMessage},
	method{"sendPhoto", sendFile("photo")},
	method{"sendDocument", sendFile("document")},
	method{"sendAudio", sendFile("audio")},
	method{"sendVideo", sendFile("video")},
	method{"sendVoice", sendFile("voice")},
	method{"sendVideoNote", sendFile("video_note")},
	method{"sendAnimation", sendFile("animation")},
	method{"sendSticker", sendFile("sticker")},
	method{"sendMediaGroup", (*call).sendMediaGroup},
	method{"sendLocation", (*call).sendLocation},
	method{"sendVenue", (*call).sendVenue},
	method{"sendContact", (*call).sendContact},
	method{"sendDice", (*call).sendDice},
	method{"copyMessage", (*call).copyMessage},
	method{"forwardMessage", (*call).forwardMessage},
	method{"sendChatAction", (*call).sendChatAction},
	method{"editMessageText", (*call).editMessageText},
	method{"editMessageCaption", (*call).editMessageCaption},
	method{"editMessageMedia", (*call).editMessageMedia},
	method{"deleteMessage", (*call).deleteMessage},
	method{"deleteMessages", (*call).deleteMessages},
	method{"answerCallbackQuery", (*call).answerCallbackQuery},
	method{"getChat", (*call).getChat},
	method{"getFile", (*call).getFile},
	method{"getUserProfilePhotos", (*call).getUserProfilePhotos},
	method{"logOut", (*call).logOut},
	method{"close", (*call).close},
)

func table(list ...method) map[string]method {
	m := make(map[string]method, len(list))
	for _, v := range list {
		m[strings.ToLower(v.name)] = v
	}
	return m
}

func (c *call) getMe() (any, error) {
	return me{user: *c.bot.user, CanJoinGroups: true, CanReadAll: c.bot.hearsAll()}, nil
}

func (c *call) logOut() (any, error) {
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	c.bot.loggedOut = c.now()
	c.bot.stop(errLoggedOut)
	return true, nil
}

// closeAfter is how long after its launch a bot cannot be closed.
// Source: Bot API, close, read 2026-11.
const closeAfter = 10 * time.Minute

func (c *call) close() (any, error) {
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	if left := closeAfter - c.now().Sub(c.bot.launched); left > 0 {
		return nil, tooMany(seconds(left))
	}
	c.bot.launched = c.now()
	c.bot.killPoll(errRestart)
	return true, nil
}

// seconds rounds up, as retry_after must.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// clamped is an optional number brought into its range, as the server does
// instead of refusing it. What is no number counts as absent.
func (c *call) clamped(name string, fallback, low, high int64) int64 {
	n, err := c.params.Int(name, fallback)
	if err != nil {
		n = fallback
	}
	return min(max(n, low), high)
}

var (
	errChatNotFound = badRequest("chat not found")
	errChatIDEmpty  = badRequest("chat_id is empty")
)
