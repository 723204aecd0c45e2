package telegramsim_test

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// lookup knows three hosts.
func lookup(_ context.Context, host string) ([]netip.Addr, error) {
	switch host {
	case "gateway.test":
		return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("93.184.216.34")}, nil
	case "inside.test":
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
	case "six.test":
		return []netip.Addr{netip.MustParseAddr("2001:4860::1")}, nil
	}
	return nil, errors.New("no such host")
}

func TestRegistrationRefused(t *testing.T) {
	t.Parallel()
	const bad = "Bad Request: bad webhook: "
	tests := []struct {
		name    string
		p       params
		text    string
		localOK bool
	}{
		{"no host", params{"url": "https://"}, "Bad Request: invalid webhook URL specified", false},
		{"no address", params{"url": "https://a b/"}, "Bad Request: invalid webhook URL specified", false},
		{"plain http", params{"url": "http://gateway.test/x"}, bad + "An HTTPS URL must be provided for webhook", true},
		{"port", params{"url": "https://gateway.test:8080/x"}, bad + "Webhook can be set up only on ports 80, 88, 443 or 8443", true},
		{"private address", params{"url": "https://10.0.0.1/x"}, bad + "IP address 10.0.0.1 is reserved", true},
		{"loopback", params{"url": "https://127.0.0.1/x"}, bad + "IP address 127.0.0.1 is reserved", true},
		{"shared address", params{"url": "https://100.64.1.1/x"}, bad + "IP address 100.64.1.1 is reserved", true},
		{"private behind a name", params{"url": "https://inside.test/x"}, bad + "IP address 10.0.0.1 is reserved", true},
		{"private ip_address", params{"url": "https://gateway.test/x", "ip_address": "192.168.0.9"}, bad + "IP address 192.168.0.9 is reserved", true},
		{"unknown host", params{"url": "https://nowhere.test/x"}, bad + "Failed to resolve host: Name or service not known", true},
		{"only IPv6", params{"url": "https://six.test/x"}, bad + "IPv6-only addresses are not allowed", true},
		{"long secret", params{"url": "https://gateway.test/x", "secret_token": strings.Repeat("a", 257)}, "Bad Request: secret token is too long", false},
		{"secret's letters", params{"url": "https://gateway.test/x", "secret_token": "a b"}, "Bad Request: secret token contains unallowed characters", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cloud := newServer(t, telegramsim.Options{LookupIP: lookup})
			local := newServer(t, telegramsim.Options{LookupIP: lookup, Local: true})
			insecure := newServer(t, telegramsim.Options{LookupIP: lookup, Insecure: true})
			call(cloud, "setWebhook", tt.p).refused(t, 400, tt.text)
			if got := call(local, "setWebhook", tt.p); got.OK != tt.localOK {
				t.Errorf("local: %+v", got)
			}
			if got := call(insecure, "setWebhook", tt.p); got.OK != tt.localOK {
				t.Errorf("insecure: %+v", got)
			}
			if got := hookInfo(t, cloud)["url"]; got != "" {
				t.Errorf("a refused webhook is set: %v", got)
			}
		})
	}
	local := newServer(t, telegramsim.Options{Local: true})
	call(local, "setWebhook", params{"url": "ftp://gateway.test/x"}).refused(t, 400, "Bad Request: invalid webhook URL specified")
}

func hookInfo(t *testing.T, s *telegramsim.Server) map[string]any {
	t.Helper()
	var info map[string]any
	call(s, "getWebhookInfo", nil).into(t, &info)
	return info
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{LookupIP: lookup, HTTP: (&receiver{}).client()})
	say(t, s, "Ann", "1")
	want := map[string]any{"url": "", "has_custom_certificate": false, "pending_update_count": 1.0}
	if diff := cmp.Diff(want, hookInfo(t, s)); diff != "" {
		t.Errorf("no webhook (-want +got):\n%s", diff)
	}
	steps := []struct {
		method, text string
		p            params
		info         map[string]any
	}{
		{"deleteWebhook", "Webhook is already deleted", nil, want},
		{"setWebhook", "Webhook was set", params{"url": "https://gateway.test:8443/x", "drop_pending_updates": "true"}, map[string]any{
			"url": "https://gateway.test:8443/x", "has_custom_certificate": false, "pending_update_count": 0.0, "ip_address": "93.184.216.34", "max_connections": 40.0}},
		{"setWebhook", "Webhook is already set", params{"url": "https://gateway.test:8443/x"}, nil},
		{"setWebhook", "Webhook was set", params{"url": "https://gateway.test:8443/x", "max_connections": "1000", "allowed_updates": `["message"]`}, map[string]any{
			"url": "https://gateway.test:8443/x", "has_custom_certificate": false, "pending_update_count": 0.0, "ip_address": "93.184.216.34", "max_connections": 100.0, "allowed_updates": []any{"message"}}},
		{"setWebhook", "Webhook was set", params{"url": "https://gateway.test/x", "secret_token": strings.Repeat("a", 256)}, nil},
		{"deleteWebhook", "Webhook was deleted", nil, nil},
	}
	for i, st := range steps {
		got := call(s, st.method, st.p)
		if string(got.Result) != "true" || got.Description != st.text {
			t.Errorf("step %d: %+v, want %q", i, got, st.text)
		}
		if diff := cmp.Diff(st.info, hookInfo(t, s)); st.info != nil && diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	if got := s.Accounts()[0].Webhook; got != "" {
		t.Errorf("Accounts tells of webhook %q", got)
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	s := newServer(t, telegramsim.Options{LookupIP: lookup})
	upload := func(size int) reply {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		f, err := w.CreateFormFile("certificate", "c.pem")
		if err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if err := errors.Join(err, w.WriteField("url", "https://gateway.test/x"), w.Close()); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/bot"+token+"/setWebhook", &body)
		r.Header.Set("Content-Type", w.FormDataContentType())
		return serve(s, r)
	}
	upload(3<<20+1).refused(t, 400, "Bad Request: certificate size is too big (3145729 bytes)")
	if got := upload(3 << 20); !got.OK || hookInfo(t, s)["has_custom_certificate"] != true {
		t.Errorf("%+v, %v", got, hookInfo(t, s))
	}
}

func TestRegistrationsRace(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan struct{}), make(chan struct{})
	s := newServer(t, telegramsim.Options{LookupIP: func(ctx context.Context, host string) ([]netip.Addr, error) {
		if host == "inside.test" {
			close(began)
			<-goOn
		}
		return lookup(ctx, "gateway.test")
	}})
	first := make(chan reply)
	go func() { first <- call(s, "setWebhook", params{"url": "https://inside.test/x"}) }()
	<-began
	call(s, "setWebhook", params{"url": "https://gateway.test/x"})
	close(goOn)
	got := <-first
	got.refused(t, 409, "Conflict: terminated by other setWebhook")
}
