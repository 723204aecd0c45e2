// Package telegramsim simulates the server of Telegram's Bot API: bots, the
// people who write to them, groups and channels, files, the update queue with
// both ways of fetching it, and the methods a gateway calls. It is written from
// the public method reference and the observable behaviour of the Bot API server
// (core.telegram.org/bots/api and tdlib/telegram-bot-api, read 2026-11), and
// knows nothing of the connector it tests. It is a test double in memory, not a
// messenger: nothing survives it.
//
// Where the real servers differ it follows the cloud server, or the self-hosted
// one started with --local when Options.Local is set. Options.Insecure makes a
// cloud server that can be used without TLS, which there is none of.
//
// # Divergences
//
//   - Business connections, reactions, inline mode, payments, games, stories and
//     the administration of groups are not there. Their methods answer 404 like
//     any unknown method; POST raw makes any update.
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
//     can no longer be edited, deleted or replied to. Files are kept up to
//     Options.FileSize; older ones are then temporarily unavailable for good.
//   - Files are kept as they were sent. Telegram makes JPEGs of photos; here the
//     largest size is the very picture, JPEG, PNG or GIF (no WebP). Only photos
//     are looked into: measures of other files are those of the sample unless
//     they are given. Thumbnails are those of a sample. A file_path stays valid
//     as long as the file does.
//   - In local mode getFile names a path below /var/lib/telegram-bot-api/ at
//     which nothing is.
//   - In a group every command that names no other bot reaches a bot in privacy
//     mode; Telegram passes some of them only to the bot that spoke last.
//   - People in a group are members as soon as they do something there, and
//     everybody may do everything. Whether bots hear of my_chat_member in the
//     supergroup that a group became is not published; here they do not.
//   - A basic group tells a bot of its own removal in a service message, too;
//     other chats only in my_chat_member.
//   - Nobody votes in polls.
//   - A file's format is recognised by its first bytes alone. A file that is not
//     of the format of its method arrives as what it is, or as a document;
//     sendDocument makes animations of GIF, audio of MP3 and M4A, videos of MP4
//     and stickers of WebP and TGS, unless disable_content_type_detection is set.
//     Where the real server tells such cases apart by more is not published.
//   - An album of one is refused, as the reference has it; the real server sends
//     it alone. The words of that refusal, and those about a missing title,
//     address, phone number or first name and a keyboard over 10 KiB, are of
//     the simulator's own.
//   - By URL only addresses that were put there with POST web answer; all others
//     cannot be fetched. In local mode file:// names nothing.
//   - A request to a self-hosted server is limited to Options.FileSize, not 2000 MB.
//   - Groups are never deleted, and files never fail to be saved by the server
//     (PHOTO_SAVE_FILE_INVALID).
//   - Messages of a bot are not heard by other bots, and cannot be edited by
//     inline_message_id. sendPoll, editMessageReplyMarkup and live location edits
//     are unknown methods.
//
// # Control verbs
//
// Beside those of package simulator, at /sim/telegram/. account is a bot's id,
// token or username and may be left out while there is only one bot; person is
// an id, username or name, with the same rule for one person; chat is a group
// or channel by id, username or title, and the private chat if left out:
//
//	POST accounts    token?, name?, username?      GET accounts
//	POST people      id?, first_name?, last_name?, username?, language_code?      GET people
//	POST say         account?, person?, chat?, text, and the options of a line, below.
//	                 Unknown people are created; in a channel it is a channel_post
//	POST start       account?, person?, payload?   presses Start
//	POST edit        account?, person?, chat?, message_id, text or caption; with kind, the
//	                 options of a content: another file
//	POST move        account?, person?, chat?, message_id, latitude?, longitude?, heading?, stop?
//	                 moves or ends a live location
//	POST press       account?, person?, chat?, message_id, data   an inline button; inaccessible?
//	                 hides the message, inline? means one sent by way of the bot elsewhere
//	POST expire      account?   all presses so far are too old to be answered
//	POST block, unblock    account?, person?
//	POST rename      person?, first_name?, last_name?, username?
//	POST deactivate  person?
//	POST avatar      person? or chat, file?, remove?   a profile photo; remove takes all of a person's
//	POST raw         account? in the query; the body is an Update, update_id optional
//	POST revoke      account?
//	POST privacy     account?, on?   on=false lets the bot hear everything in groups
//	POST unavailable times?   getFile says that the file is temporarily unavailable; -1: always
//	POST reset       forgets everything
//
// The options of a line: reply_to, quote; topic (a forum's), anonymous (an
// administrator of a supergroup who does not show), signature (of a post);
// forward (who wrote it), forward_hidden, or forward_chat, forward_message_id,
// forward_signature; forward_date.
//
// What people send beside text, each with the options of a line. Without a file
// it is a small sample; curl -F file=@cat.jpg sends your own:
//
//	POST photo, document, voice, audio, video, video_note, animation, sticker
//	                 file?, file_name?, mime_type? (both passed on as they are), file_size? (what
//	                 is said of it), caption?, width?, height?, duration?, title?, performer?,
//	                 emoji?, set_name?, format? (of a sticker: static, animated, video)
//	POST album       items? (photo,photo,video), file1? …, caption?
//	POST location    latitude?, longitude?, accuracy?, live_period?, heading?
//	POST venue       latitude?, longitude?, title?, address?
//	POST contact     phone_number, first_name, last_name?, vcard?, or own=true
//	POST dice        emoji?, value?
//	POST poll        question?, options?
//	POST web_app_data   data?, button_text?
//
// Groups and channels; person is who does it, the first member if left out:
//
//	POST groups      title?, type? (group, supergroup, channel), id?, username?, forum?, members?,
//	                 account?, role?; the only bot comes along unless bot=false      GET groups
//	POST add, promote   account?, chat, person?, role? (member, administrator)
//	POST kick        account?, chat, person?; banned=false: removed, not banned
//	POST join, leave chat, person
//	POST title       chat, title, person?
//	POST topic       chat, name, person?   message_id of the answer is the topic
//	POST migrate     chat, person?   a basic group becomes a supergroup
//	POST restrict    account?, chat, deny?   what the bot may not send there, of: text messages,
//	                 photos, videos, video notes, voice notes, audios, documents, animations,
//	                 stickers, locations, venues, contacts, dice; separated by commas, none lifts all
//	                 bans. chat can be a person, who can refuse voice notes only
//
// What the gateway sends by URL is never fetched; an address answers what is put there:
//
//	POST web         url, mime_type?, file or text
//
// Downloads are called "download" in faults and in the log.
package telegramsim
