package telegram_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector/connectortest"
	"github.com/parley-im/parley/provider/telegram"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	connectortest.Suite{
		Provider: telegram.New(),
		Simulator: func(log *slog.Logger) simulator.Simulator {
			return telegramsim.New(telegramsim.Options{Local: true, Log: log, RetryBase: time.Millisecond})
		},
		Credentials: func(account connectortest.Answer) map[string]parley.Secret {
			return map[string]parley.Secret{"token": parley.Secret(account["token"])}
		},
		Nobody: "4503599627370495",
		Can: connectortest.Abilities{
			Verify: true, Callback: true, Poll: true, Replies: true, Edits: true, Blocks: true, Starts: true,
		},
	}.Run(t)
}
