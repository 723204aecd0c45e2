package telegram

import (
	"context"
	"errors"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

var _ connector.Confirmer = (*client)(nil)

type confirmRequest struct {
	ID string `json:"callback_query_id"`
}

// Confirm answers a pressed button, which shows that it is busy until then. That
// the button has stopped waiting is no error. Source: Bot API, answerCallbackQuery,
// read 2026-11.
func (c *client) Confirm(ctx context.Context, id string) error {
	var done bool
	err := c.ask(ctx, answerCallbackQuery, confirmRequest{id}, &done)
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code == codeQueryExpired {
		return nil
	}
	return err
}
