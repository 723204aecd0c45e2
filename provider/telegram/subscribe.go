package telegram

import (
	"context"
	"regexp"
	"slices"

	"github.com/parley-im/parley"
)

// allowedUpdates are the kinds of update that decode understands. They must be
// named, because the server keeps an earlier list otherwise. Source: Bot API,
// setWebhook and getUpdates, read 2026-11.
var allowedUpdates = []string{
	"message", "edited_message", "callback_query", "my_chat_member", "channel_post", "edited_channel_post",
}

// maxConnections is the default, said aloud because an earlier registration may
// have changed it. Source: Bot API, setWebhook, read 2026-11.
const maxConnections = 40

// secretShape is what setWebhook takes as secret_token. Source: Bot API,
// setWebhook, read 2026-11.
var secretShape = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// A registration is what this client has set at the provider.
type registration struct {
	address string
	token   parley.Secret
}

type webhookRequest struct {
	URL            string   `json:"url"`
	Secret         string   `json:"secret_token"`
	Allowed        []string `json:"allowed_updates"`
	MaxConnections int      `json:"max_connections"`
}

type webhookInfo struct {
	URL            string   `json:"url"`
	Allowed        []string `json:"allowed_updates"`
	MaxConnections int      `json:"max_connections"`
}

// Subscribe sets the callback address. Telegram never shows the secret it
// repeats, so the first call of a client always sets it; later calls with the
// same address and token leave an equal registration alone.
func (c *client) Subscribe(ctx context.Context, address string, token parley.Secret) error {
	if address == "" || !secretShape.MatchString(token.Reveal()) {
		return parley.Errorf(parley.KindInvalid, "a callback needs an address and a secret of 1 to 256 letters, digits, _ and -")
	}
	want := registration{address, token}
	if last := c.registered.Load(); last != nil && *last == want {
		equal, err := c.subscribed(ctx, address)
		if err != nil || equal {
			return err
		}
	}
	return c.register(ctx, want)
}

// subscribed reports whether the provider still has our registration.
func (c *client) subscribed(ctx context.Context, address string) (bool, error) {
	var info webhookInfo
	if err := c.ask(ctx, getWebhookInfo, struct{}{}, &info); err != nil {
		return false, err
	}
	slices.Sort(info.Allowed)
	wanted := slices.Sorted(slices.Values(allowedUpdates))
	return info.URL == address && info.MaxConnections == maxConnections && slices.Equal(info.Allowed, wanted), nil
}

func (c *client) register(ctx context.Context, want registration) error {
	req := webhookRequest{want.address, want.token.Reveal(), allowedUpdates, maxConnections}
	var done bool
	if err := c.ask(ctx, setWebhook, req, &done); err != nil {
		return err
	}
	c.registered.Store(&want)
	return nil
}

// Unsubscribe removes the callback address. What waits at Telegram stays there.
func (c *client) Unsubscribe(ctx context.Context) error {
	c.registered.Store(nil)
	var done bool
	return c.ask(ctx, deleteWebhook, struct{}{}, &done)
}
