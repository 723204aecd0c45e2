package sink

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// telegram answers the Bot API methods that a gateway calls.
func (s *Sink) telegram(w http.ResponseWriter, r *http.Request, body []byte) {
	bot, method, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	method = strings.ToLower(method)
	if method == "sendmessage" {
		s.sendMessage(w, r, body)
		return
	}
	s.mu.Lock()
	s.other++
	s.mu.Unlock()
	switch method {
	case "getme":
		reply(w, `{"ok":true,"result":{"id":%d,"is_bot":true,"first_name":"Bench","username":"bench_bot"}}`, botID(bot))
	case "getwebhookinfo":
		registered, _ := json.Marshal(s.registered(botID(bot)).URL)
		reply(w, `{"ok":true,"result":{"url":%s,"has_custom_certificate":false,"pending_update_count":0}}`, registered)
	case "setwebhook":
		param := params(r, body)
		s.register(botID(bot), Callback{URL: param("url"), SecretToken: param("secret_token")})
		reply(w, `{"ok":true,"result":true,"description":"Webhook was set"}`)
	case "deletewebhook":
		s.register(botID(bot), Callback{})
		reply(w, `{"ok":true,"result":true,"description":"Webhook was deleted"}`)
	case "getupdates":
		pause(r.Context(), pollTimeout(r, body))
		reply(w, `{"ok":true,"result":[]}`)
	default: // sendChatAction and the like
		reply(w, `{"ok":true,"result":true}`)
	}
}

// botID is what the token begins with, as Telegram has it, so that several bots are
// told apart.
func botID(path string) int64 {
	id, _, _ := strings.Cut(strings.TrimPrefix(path, "bot"), ":")
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 123456
	}
	return n
}

func (s *Sink) registered(bot int64) Callback {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.callbacks[bot]
}

func (s *Sink) register(bot int64, c Callback) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.callbacks == nil {
		s.callbacks = map[int64]Callback{}
	}
	s.callbacks[bot] = c
}

func (s *Sink) sendMessage(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	send := s.send
	s.lastID++
	id := s.lastID
	s.mu.Unlock()
	if !s.message(w, r, send, messengerPath, body) {
		return
	}
	param := params(r, body)
	chat, err := strconv.ParseInt(param("chat_id"), 10, 64)
	if err != nil {
		chat = 1
	}
	text, _ := json.Marshal(param("text"))
	reply(w, `{"ok":true,"result":{"message_id":%d,"date":%d,"chat":{"id":%d,"type":"private"},"text":%s}}`,
		id, time.Now().Unix(), chat, text)
}

// params reads the scalar parameters of a Bot API call from wherever the caller
// put them: query string, urlencoded or multipart form, or JSON.
func params(r *http.Request, body []byte) func(name string) string {
	query, inBody := url.Values{}, bodyParams(r, body)
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	return func(name string) string {
		if v := query.Get(name); v != "" {
			return v
		}
		return inBody(name)
	}
}

func bodyParams(r *http.Request, body []byte) func(name string) string {
	kind, args, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		return jsonParams(body)
	case "multipart/form-data":
		form, err := multipart.NewReader(bytes.NewReader(body), args["boundary"]).ReadForm(maxBody)
		if err != nil {
			return url.Values{}.Get
		}
		return url.Values(form.Value).Get
	default:
		values, _ := url.ParseQuery(string(body))
		return values.Get
	}
}

func jsonParams(body []byte) func(name string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return url.Values{}.Get
	}
	return func(name string) string {
		var text string
		if json.Unmarshal(object[name], &text) == nil {
			return text
		}
		return string(object[name])
	}
}

// pollTimeout is how long a getUpdates call asks to be held.
func pollTimeout(r *http.Request, body []byte) time.Duration {
	seconds, _ := strconv.Atoi(params(r, body)("timeout"))
	return time.Duration(min(max(seconds, 0), 50)) * time.Second
}
