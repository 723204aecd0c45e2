// Package telegramsim simulates the server of Telegram's Bot API: bots, the
// people who write to them, the update queue with both ways of fetching it, and
// the methods a gateway calls. It is written from the public method reference
// and the observable behaviour of the Bot API server (core.telegram.org/bots/api
// and tdlib/telegram-bot-api, read 2026-11), and knows nothing of the connector
// it tests. It is a test double in memory, not a messenger: nothing survives it.
//
// Where the real servers differ it follows the cloud server, or the self-hosted
// one started with --local when Options.Local is set.
//
// # Divergences
//
//   - Private chats only; groups, channels, business connections and media are
//     not there. Their methods answer 404 like any unknown method.
//   - parse_mode Markdown and MarkdownV2 are refused with a formatting error;
//     HTML and entities are understood. Links, mentions and the like are not
//     found in plain text, except bot commands in what people write.
//   - A method named in the answer to a callback is not called.
//   - A certificate given to setWebhook is checked for size and reported, not
//     trusted; ip_address is checked and reported, not dialled. TLS is the
//     business of Options.HTTP.
//   - The host given to setWebhook is resolved but not connected to.
//   - The limit on new tokens per address does not exist, and the test
//     environment (/test/ in the path) neither.
//   - A callback query can be answered for 15 minutes; the real limit is not
//     published.
//   - Messages are kept up to Options.SentSize for the whole server; older ones
//     can no longer be edited, deleted or replied to.
//
// # Control verbs
//
// Beside those of package simulator, at /sim/telegram/. account is a bot's id,
// token or username and may be left out while there is only one bot; person is
// an id, username or name, with the same rule for one person:
//
//	POST accounts    token?, name?, username?      GET accounts
//	POST people      id?, first_name?, last_name?, username?, language_code?      GET people
//	POST say         account?, person?, text, reply_to?   unknown people are created
//	POST start       account?, person?, payload?   presses Start
//	POST edit        account?, person?, message_id, text
//	POST press       account?, person?, message_id, data   an inline button
//	POST block, unblock    account?, person?
//	POST rename      person?, first_name?, last_name?, username?
//	POST deactivate  person?
//	POST raw         account? in the query; the body is an Update, update_id optional
//	POST revoke      account?
//	POST reset       forgets everything
package telegramsim
