package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

// TestSecretsStaySecret runs the main job and what can go wrong with it at the
// most talkative log level, and then looks for every secret in all that is left
// behind or was told.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		var told bytes.Buffer
		conversation := s.meet("ann", "hello")
		secrets := s.planted()
		s.delivered(s.post(conversation, canary), canary)
		forger := newForger(s)
		secretsFailures(forger, conversation, &told)
		secrets["rotated webhook secret"] = s.api.must("POST", s.path("/webhook_secret")).Secret
		s.crm.trust(secrets["rotated webhook secret"])
		secretsErrors(forger, &told)
		places := map[string][]byte{"answers": told.Bytes()}
		readFiles(t, s.place.Data, "running ", places)
		if database != "" {
			places["PostgreSQL"] = dump(t, database)
		}
		s.stop()
		readFiles(t, s.place.Data, "stopped ", places)
		places["log"] = []byte(s.logs.String())
		if len(places["log"]) < 1000 || !bytes.Contains(places["log"], []byte("level=DEBUG")) {
			t.Errorf("the log was not talkative: %d bytes", len(places["log"]))
		}
		reportLeaks(t, secrets, places)
		reportCanary(t, places)
	})
}

// canary is what a message says: it must be found where messages are stored, so
// that a search which finds nothing means something, and not be logged.
const canary = "the text of a message, 0123456789"

func reportCanary(t *testing.T, places map[string][]byte) {
	t.Helper()
	var found []string
	for place, content := range places {
		if bytes.Contains(content, []byte(canary)) {
			found = append(found, place)
		}
	}
	if len(found) == 0 {
		t.Error("the search did not find a message in the database")
	}
	if slices.Contains(found, "log") || slices.Contains(found, "answers") {
		t.Errorf("the text of a message is in %q", found)
	}
}

// planted returns the secrets that the stage works with, by name.
func (s *stage) planted() map[string]string {
	s.t.Helper()
	sealed := s.secrets()
	_, half, _ := strings.Cut(stageBot, ":")
	secrets := map[string]string{
		"bot token": stageBot, "secret half of the bot token": half, "API token": s.api.token,
		"callback path": sealed[parley.SecretCallbackPath].Reveal(), "callback token": sealed[parley.SecretCallbackToken].Reveal(),
		"webhook secret": s.api.must("GET", s.path("/webhook_secret")).Secret, "webhook key": "",
	}
	secrets["webhook key"] = strings.TrimPrefix(secrets["webhook secret"], "whsec_")
	for i, key := range keyMaterial(s.t, s.place.keyset()) {
		secrets[fmt.Sprintf("key %d of the keyset", i)] = key
	}
	return secrets
}

// keyMaterial returns every long base64 text of the keyset's JSON, and what the
// last bytes of each, the key itself, are.
func keyMaterial(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case string:
			if raw, err := base64.StdEncoding.DecodeString(v); err == nil && len(raw) >= 32 {
				keys = append(keys, v, string(raw[len(raw)-32:]))
			}
		}
	}
	var content any
	if err := json.Unmarshal(b, &content); err != nil {
		t.Fatal(err)
	}
	walk(content)
	if len(keys) == 0 {
		t.Fatalf("no key material in the keyset: its form has changed")
	}
	return keys
}

// secretsFailures lets the messenger, the receiver and the callbacks fail.
func secretsFailures(s forger, conversation int64, told *bytes.Buffer) {
	s.t.Helper()
	for _, f := range []simulator.Fault{
		{Kind: simulator.FaultHTML}, {Kind: simulator.FaultGarbage}, {Kind: simulator.FaultStatus, Status: 404}, {Kind: simulator.FaultStatus, Status: 401},
		{Kind: simulator.FaultStatus, Status: 500}, {Kind: simulator.FaultCutBefore}, {Kind: simulator.FaultCutAfter},
	} {
		f.Method = "sendMessage"
		s.fault(f)
		s.post(conversation, "fault "+string(f.Kind))
		s.crm.pass("job/executed")
	}
	behind := s.logs.lines.Total()
	s.tg.down()
	s.post(conversation, "nobody there")
	s.logs.await(s.t, behind, "msg=send ", "kind=unavailable")
	s.tg.up()
	s.crm.pass("job/executed")
	s.crm.answer(func(_ http.ResponseWriter, h hook) int {
		if s.crm.tries(h.Data.Message) < 3 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	s.say("ann", "fails twice")
	s.crm.pass("message/new")
	s.crm.answer(nil)
	for _, body := range []string{"garbage", `{"update_id":9}`, strings.Repeat("x", 2<<20)} {
		told.Write(s.call(s.address, s.secret, []byte(body)).body)
		told.Write(s.call(s.address, "wrong", []byte(body)).body)
	}
	if _, err := s.tg.Revoke(""); err != nil {
		s.t.Fatal(err)
	}
	s.post(conversation, "refused")
	s.crm.system("disabled")
	fmt.Fprintf(told, "%+v", s.channelState())
}

// pass waits for the next event of a kind and passes over others.
func (c *crm) pass(kind string) {
	c.t.Helper()
	c.talked = await(c.t, kind, c.taken, c.talked, func(h hook) bool { return h.kind == kind }).n
}

// secretsErrors collects what the gateway answers to requests that fail, with
// secrets in them.
func secretsErrors(s forger, told *bytes.Buffer) {
	s.t.Helper()
	hush := &apiClient{t: s.t, base: s.api.base}
	for _, r := range []apiReply{
		s.api.do("POST", "/p1/"+s.path("/channels"), url.Values{"provider": {"telegram"}, "token": {stageBot}}),
		s.api.do("POST", "/p1/"+s.path("/channels"), url.Values{"provider": {stageBot}, "token": {stageBot}, "x": {"y"}}),
		s.api.do("PUT", "/p1/"+s.path("/channels/%d", s.channel), url.Values{"provider": {"viber"}, "token": {stageBot}}),
		s.api.do("GET", "/p1/"+s.path("/channels/%d", s.channel), nil), s.api.do("GET", "/p1/"+s.path("/channels"), nil),
		s.api.do("GET", "/p1/companies/999?private_api_token="+s.api.token, nil), hush.do("GET", "/p1/companies?private_api_token="+s.api.token[1:], nil),
		s.api.do("GET", "/p1/"+s.path("/quarantine"), nil), s.api.do("GET", "/p1/"+s.path("/dead_letters"), nil), s.api.do("GET", "/p1/companies", nil),
		hush.do("GET", "/healthz", nil), hush.do("GET", "/readyz", nil), hush.do("GET", "/nothing/"+s.api.token, nil),
		hush.do("GET", strings.TrimPrefix(s.address, hush.base), nil),
	} {
		fmt.Fprintf(told, "%d %v %s\n", r.status, r.header, r.body)
	}
	for _, command := range [][]string{{"token", "list"}, {"quarantine", "list"}, {"deadletters", "list", "--company", "1"}} {
		told.WriteString(s.cli(command...))
	}
}

func readFiles(t *testing.T, dir, prefix string, into map[string][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "keyset.json" {
			return err
		}
		into[prefix+d.Name()], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dump returns all rows of a PostgreSQL database as text.
func dump(t *testing.T, database string) []byte {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
		WHERE schemaname = ANY (current_schemas(false))`) // other tests have others, which come and go
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 5 {
		t.Fatalf("tables %q: %v", tables, err)
	}
	var all bytes.Buffer
	for _, table := range tables {
		if _, err := conn.PgConn().CopyTo(ctx, &all, "COPY "+table+" TO STDOUT"); err != nil {
			t.Fatal(err)
		}
		// bytea comes as hex there; look at what it stands for as well.
		if _, err := conn.PgConn().CopyTo(ctx, &all, "COPY "+table+" TO STDOUT (FORMAT binary)"); err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}

// forms are the ways in which a secret may be written.
func forms(secret string) map[string][]byte {
	b := []byte(secret)
	all := map[string][]byte{
		"plain": b, "hex": []byte(hex.EncodeToString(b)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(b))),
		"escaped": []byte(url.QueryEscape(secret)), "path": []byte(url.PathEscape(secret)), "quoted": []byte(strings.Trim(fmt.Sprintf("%q", secret), `"`)),
	}
	// The text around a secret shifts its base64 by up to two bytes; the groups of
	// letters in the middle are the same whatever is around it.
	for shift := range 3 {
		for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64 for URLs": base64.RawURLEncoding} {
			text := enc.EncodeToString(append(make([]byte, shift), b...))
			all[fmt.Sprintf("%s, shifted by %d", name, shift)] = []byte(text[4 : len(text)/4*4-4])
		}
	}
	return all
}

func reportLeaks(t *testing.T, secrets map[string]string, places map[string][]byte) {
	t.Helper()
	for name, secret := range secrets {
		for form, text := range forms(secret) {
			for place, content := range places {
				if len(text) >= 12 && bytes.Contains(content, text) {
					t.Errorf("the %s is in %s, %s", name, place, form)
				}
			}
		}
	}
}

// TestLeaksAreFound makes sure that the search finds what is there.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	const secret = "AAstage-bot/secret+half?0123456789"
	for name, content := range map[string]string{
		"plain": "x" + secret + "y", "hex": hex.EncodeToString([]byte("xx" + secret)), "url": "a=" + url.QueryEscape(secret),
		"base64": base64.StdEncoding.EncodeToString([]byte("7:" + secret + ".")), "json": fmt.Sprintf("%q", secret),
	} {
		found := false
		for _, text := range forms(secret) {
			found = found || bytes.Contains([]byte(content), text)
		}
		if !found {
			t.Errorf("%s was not found", name)
		}
	}
}
