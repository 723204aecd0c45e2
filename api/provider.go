package api

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/seal"
)

// A kind is a provider as the API knows it: what its channels are created and
// updated with. The kinds of the original API are fixed, whether this
// installation offers them or not, because their parameters are judged first.
type kind struct {
	name   string // canonical
	create func(*form)
	update func(*form) // nil if nothing can be updated
}

// maxHistory is how far back messages can be fetched.
const maxHistory = 31 * 24 * time.Hour

// contract lists the providers of the original API in the order in which they are
// named to clients.
func contract() []kind {
	return []kind{
		{"whatsapp", formWhatsApp, nil},
		{"whatsapp_business", formBusiness, formBusinessUpdate},
		{"avito", formLogin, formLogin},
		{"instagram_business", formInstagramBusiness, formToken},
		{"facebook", formToken, formToken},
		{"vkontakte", formToken, formToken},
		{"vkontakte_direct", formToken, formToken},
		{"telegram", formToken, formToken},
		{"viber", formToken, formToken},
		{"telegram_personal", formTelegramPersonal, nil},
		{"instagram", formInstagram, formLogin},
	}
}

// aliases are other spellings of the contract's providers.
var aliases = map[string]string{"vk": "vkontakte"}

// offer sets up which providers there are. One that the contract does not know is
// described by its Spec.
func (s *Server) offer(providers map[string]connector.Spec, disabled map[string]bool) {
	s.kinds, s.offered = map[string]*kind{}, map[string]bool{}
	for _, k := range contract() {
		s.spell(k.name, &k)
	}
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		s.spell(alias, s.kinds[aliases[alias]])
	}
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		s.offered[name] = !disabled[name]
		if s.kinds[name] != nil {
			continue
		}
		spec := providers[name]
		k := &kind{name, func(f *form) { f.spec(spec) }, func(f *form) { f.spec(spec) }}
		for _, spelling := range append([]string{name}, spec.Aliases...) {
			s.spell(strings.ToLower(spelling), k)
		}
	}
}

func (s *Server) spell(spelling string, k *kind) {
	s.kinds[spelling] = k
	s.names = append(s.names, spelling)
}

// A form binds the parameters of a channel, and gathers what is to be kept.
type form struct {
	*params.Binder
	now      time.Time
	settings map[string]string
	secrets  map[string]parley.Secret
}

func (s *Server) form(b *params.Binder) *form {
	return &form{Binder: b, now: s.now(), settings: map[string]string{}, secrets: map[string]parley.Secret{}}
}

// newCallback makes a callback address that nobody knows yet.
func (f *form) newCallback() {
	f.secrets[parley.SecretCallbackPath] = parley.Secret(seal.NewSecretPath())
	f.secrets[parley.SecretCallbackToken] = parley.Secret(seal.NewSecretPath())
}

// secret binds a credential.
func (f *form) secret(name string, rules ...params.Rule) bool {
	v := f.String(name, rules...)
	if v.Given() {
		f.secrets[name] = parley.Secret(v.Value)
	}
	return v.Given()
}

// keep notes a setting that was given.
func (f *form) keep(name string, v params.Opt[string]) bool {
	if v.Given() {
		f.settings[name] = v.Value
	}
	return v.Given()
}

func (f *form) text(name string) bool { return f.keep(name, f.String(name)) }

func (f *form) option(name string, options []string, rules ...params.Rule) bool {
	return f.keep(name, f.OneOf(name, options, rules...))
}

func (f *form) flag(name string) bool {
	v := f.Bool(name)
	if v.Given() {
		f.settings[name] = strconv.FormatBool(v.Value)
	}
	return v.Or(false)
}

// history binds since when messages are fetched.
func (f *form) history() {
	const name = "sync_messages_from"
	v := f.Time(name)
	switch {
	case !v.Given():
	case f.now.Sub(v.Value) > maxHistory:
		f.Fail(name, "is invalid: it is older than 31 days")
	default:
		f.settings[name] = strconv.FormatInt(v.Value.Unix(), 10)
	}
}

// spec binds the fields that a provider says it has.
func (f *form) spec(spec connector.Spec) {
	for _, field := range spec.Fields {
		var rules []params.Rule
		if field.Required {
			rules = append(rules, params.Required())
		}
		if field.Secret {
			f.secret(field.Name, rules...)
			continue
		}
		f.keep(field.Name, f.String(field.Name, rules...))
	}
}

func formToken(f *form) { f.secret("token", params.Required()) }

func formLogin(f *form) {
	f.secret("login", params.Required())
	f.secret("password", params.Required())
}

func formInstagram(f *form) {
	formLogin(f)
	f.history()
	f.flag("sync_comments")
	f.flag("sync_mentions")
}

func formWhatsApp(f *form) {
	f.history()
	f.flag("do_not_mark_as_read")
	f.keep("phone", f.Phone("phone"))
}

// formBusiness binds a channel at 360dialog, which is named by a token or by the
// number that 360dialog gave it.
func formBusiness(f *form) {
	f.option("hosting_type", hostings, params.Required())
	if !f.business() {
		f.Fail("token", "or dialog360_channel_id is required")
	}
}

func formBusinessUpdate(f *form) {
	f.option("hosting_type", hostings)
	f.business()
	if f.Err() == nil && len(f.settings)+len(f.secrets) == 0 {
		f.Fail("token", "or dialog360_channel_id, dialog360_client_id, hosting_type, account_name, subtype is required")
	}
}

var hostings = []string{"cloud", "onpremise"}

// business reports whether the account is named.
func (f *form) business() bool {
	token := f.secret("token")
	channel := f.text("dialog360_channel_id")
	f.text("dialog360_client_id")
	f.text("account_name")
	f.option("subtype", []string{"regular", "unlim", "no_write_first"})
	return token || channel
}

// formInstagramBusiness keeps the Graph answer among the credentials, since older
// clients send the whole redirect, with a token in it.
func formInstagramBusiness(f *form) {
	formToken(f)
	f.keep("phone", f.Phone("phone", params.Required()))
	if data := f.Object("data", params.Required()); data.Given() {
		f.secrets["data"] = parley.Secret(data.Value.Set().Canonical())
	}
}

// formTelegramPersonal binds a personal account, linked by a QR code or by a code
// sent to its phone.
func formTelegramPersonal(f *form) {
	f.history()
	qr := f.flag("via_qr_code")
	phone := f.Phone("phone", params.Alias("username"))
	f.keep("phone", phone)
	if !qr && absent(phone) {
		f.Fail("via_qr_code", "or phone is required")
	}
}
