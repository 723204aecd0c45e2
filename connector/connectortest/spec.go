package connectortest

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func options(w *world) {
	for _, wrong := range w.suite.optionFaults() {
		w.Errorf("Suite: %s", wrong)
	}
}

func facts(w *world) {
	spec := w.suite.Provider.Spec()
	for _, wrong := range specFaults(spec, w.suite.Can) {
		w.Errorf("Spec: %s", wrong)
	}
	if diff := cmp.Diff(spec, w.suite.Provider.Spec()); diff != "" {
		w.Errorf("Spec is not the same each time:\n%s", diff)
	}
	fields := map[string]bool{}
	for _, f := range spec.Fields {
		fields[f.Name] = f.Secret
	}
	for name := range w.channel.Secrets {
		if own := name == parley.SecretCallbackPath || name == parley.SecretCallbackToken; !own && !fields[name] {
			w.Errorf("Spec: the credential %q is no secret field", name)
		}
	}
}

var (
	nameShape = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	envShape  = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// specFaults lists what is wrong with a Spec.
func specFaults(s connector.Spec, can Abilities) []string {
	base, err := url.Parse(s.BaseURL)
	rules := []struct {
		broken bool
		say    string
	}{
		{!nameShape.MatchString(s.Name), "Name is no lower-case word"},
		{s.Title == "", "Title is empty"},
		{err != nil || base.Scheme != "https" || base.Host == "", "BaseURL is no https address"},
		{strings.HasSuffix(s.BaseURL, "/"), "BaseURL ends with a slash"},
		{!envShape.MatchString(s.BaseEnv) || strings.HasPrefix(s.BaseEnv, "PARLEY_"), "BaseEnv is no variable's name without PARLEY_"},
		{s.MaxBody <= 0, "MaxBody is not positive"},
		{can.Callback && s.CallbackDeadline <= 0, "CallbackDeadline is not positive"},
		{s.Pace.PerSecond < 0 || s.Pace.ChatPerSecond < 0 || s.Pace.GroupPerMin < 0, "Pace has a negative rate"},
		{s.Pace.PerSecond > 0 && s.Pace.Burst < 1, "Pace has a rate with a Burst of 0, so nothing would be sent"},
		{s.Pace.ChatPerSecond > 0 && s.Pace.ChatBurst < 1, "Pace has a rate with a ChatBurst of 0, so nothing would be sent"},
	}
	var found []string
	for _, r := range rules {
		if r.broken {
			found = append(found, r.say)
		}
	}
	return append(found, fieldFaults(s.Fields)...)
}

func fieldFaults(fields []connector.Field) []string {
	found, known, secret := []string{}, map[string]bool{parley.SecretCallbackPath: true, parley.SecretCallbackToken: true}, false
	for _, f := range fields {
		if !nameShape.MatchString(f.Name) || known[f.Name] {
			found = append(found, "Fields: "+f.Name+" is no lower-case word, there twice, or the gateway's own")
		}
		known[f.Name] = true
		secret = secret || f.Secret
	}
	if !secret {
		found = append(found, "Fields: none is a secret")
	}
	return found
}

// abilities compares what the suite is told with what the client implements.
func abilities(w *world) {
	_, verifies := w.client.(connector.Verifier)
	_, receives := w.client.(connector.Receiver)
	_, subscribes := w.client.(connector.Subscriber)
	_, runs := w.client.(connector.Runner)
	_, fetches := w.client.(connector.Fetcher)
	_, profiles := w.client.(connector.Profiler)
	_, confirms := w.client.(connector.Confirmer)
	_, deregisters := w.client.(connector.Deregisterer)
	can, buttons := w.suite.Can, w.suite.Buttons
	for _, a := range []struct {
		name      string
		got, want bool
	}{
		{"connector.Verifier", verifies, can.Verify},
		{"connector.Receiver", receives, can.Callback},
		{"connector.Subscriber", subscribes, can.Callback},
		{"connector.Runner", runs, can.Poll},
		{"connector.Fetcher", fetches, w.suite.Fetch != nil},
		{"connector.Profiler", profiles, w.suite.Profile != nil},
		{"connector.Confirmer", confirms, buttons != nil && buttons.Answer != ""},
		// The suite has no cases for this one yet: whoever brings it brings them.
		{"connector.Deregisterer", deregisters, false},
	} {
		if a.got != a.want {
			w.Errorf("the client implements %s: got %t, want %t", a.name, a.got, a.want)
		}
	}
}

// opens: credentials that cannot be right are refused at Open or, at the latest,
// by Verify; Open itself makes no request.
func opens(w *world) {
	before := w.calls.Total()
	w.open(w.channel)
	if got := w.calls.Total(); got != before {
		w.Errorf("Open made %d requests, want none", got-before)
	}
	for _, bad := range []parley.Secret{"", " ", "not a credential", "\x00\n"} {
		ch := *w.channel
		ch.Secrets = map[string]parley.Secret{}
		for name := range w.channel.Secrets {
			ch.Secrets[name] = bad
		}
		c, err := w.suite.Provider.Open(w.ctx, &ch, w.env(w.base))
		if v, ok := c.(connector.Verifier); ok && err == nil {
			_, err = v.Verify(w.ctx)
		}
		w.has("credentials "+string(bad), err, parley.KindLoggedOut)
	}
}
