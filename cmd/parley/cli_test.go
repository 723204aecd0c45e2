package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// A served is `parley serve`, or another command that stays, run in-process.
type served struct {
	out, log *journal
	cancel   context.CancelFunc
	code     chan int
}

func serveCLI(t *testing.T, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{out: newJournal(), log: newJournal(), cancel: cancel, code: make(chan int, 1)}
	ended := make(chan struct{})
	go func() { // the cleanup waits for it
		defer close(ended)
		s.code <- run(ctx, args, console{s.out, s.log})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

// ready waits until requests are served and returns the address.
func (s *served) ready(t *testing.T) string {
	t.Helper()
	line := s.log.await(t, 0, "msg=ready")
	return regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(line)[1]
}

// exit waits for the command to end.
func (s *served) exit(t *testing.T) int {
	t.Helper()
	select {
	case code := <-s.code:
		return code
	case <-time.After(patience):
		t.Fatalf("the command did not end within %v", patience)
		return 0
	}
}

func (p place) args(command ...string) []string {
	args := append(command, "--data", p.Data)
	if p.Database != "" {
		args = append(args, "--database", p.Database)
	}
	return args
}

func must(t *testing.T, p place, args ...string) string {
	t.Helper()
	code, out, errs := cliOn(p, args...)
	if code != 0 || errs != "" {
		t.Fatalf("parley %s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// refused runs a command that fails and returns what it says.
func refused(t *testing.T, p place, args ...string) string {
	t.Helper()
	code, out, errs := cliOn(p, args...)
	if code == 0 || out != "" || !strings.HasPrefix(errs, "parley: ") {
		t.Errorf("parley %s: exit code %d, %q, %q", strings.Join(args, " "), code, out, errs)
	}
	return errs
}

func TestTokens(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		p := place{t.TempDir(), database}
		early := must(t, p, "token", "create", "--user", "ann")
		if !regexp.MustCompile(`^parley_[A-Za-z0-9_-]{43}\n$`).MatchString(early) {
			t.Errorf("token create printed %q", early)
		}
		first := strings.TrimSpace(early)
		base := "http://" + serveCLI(t, p.args("serve", "--listen", "127.0.0.1:0")...).ready(t)
		status := func(token string) int {
			return (&apiClient{t, base, token}).do("GET", "/p1/companies", nil).status
		}
		companies := (&apiClient{t, base, first}).must("GET", "companies").Companies
		if len(companies) != 1 || companies[0].Name != "ann" {
			t.Errorf("companies of the new user: %+v", companies)
		}
		second := strings.TrimSpace(must(t, p, "token", "create", "--user", "ann"))
		if got := (&apiClient{t, base, second}).must("GET", "companies").Companies; len(got) != 1 || got[0] != companies[0] {
			t.Errorf("companies by the second token: %+v", got)
		}
		list := must(t, p, "token", "list")
		if strings.Contains(list, first) || strings.Contains(list, second) || !strings.Contains(list, first[:hintLength]) || strings.Count(list, "ann") != 2 {
			t.Errorf("token list:\n%s", list)
		}
		if got := must(t, p, "token", "revoke", first); got != "revoked 1\n" {
			t.Errorf("token revoke: %q", got)
		}
		poll(t, "a revoked token is refused", func() bool { return status(first) == http.StatusUnauthorized })
		if got := status(second); got != http.StatusOK {
			t.Errorf("the other token: %d", got)
		}
		must(t, p, "token", "revoke", second[:hintLength])
		poll(t, "a token revoked by its beginning is refused", func() bool { return status(second) == http.StatusUnauthorized })
		if got := refused(t, p, "token", "revoke", first); !strings.Contains(got, "token list") {
			t.Errorf("revoking again: %s", got)
		}
		if list := must(t, p, "token", "list"); strings.Contains(list, "  -\n") {
			t.Errorf("not shown as revoked:\n%s", list)
		}
	})
}

func TestOperatorSettings(t *testing.T) {
	t.Parallel()
	s := bareStage(t, "", nil)
	s.open()
	id := strconv.FormatInt(s.company, 10)
	s.cli("company", "set", id, "--paywall")
	poll(t, "the paywall is up", func() bool {
		return s.api.do("GET", "/p1/"+s.path("/channels"), nil).status == http.StatusPaymentRequired
	})
	if got := s.api.do("GET", "/p1/companies", nil).status; got != http.StatusOK {
		t.Errorf("companies behind the paywall: %d", got)
	}
	s.cli("company", "set", id, "--no-paywall", "--channels-per-provider", "2")
	poll(t, "the paywall is down", func() bool { return s.api.do("GET", "/p1/"+s.path("/channels"), nil).status == http.StatusOK })
	for _, token := range []string{"7000002:AA", "7000003:AA"} {
		s.api.must("POST", s.path("/channels"), "provider", "telegram", "token", token)
	}
	third := s.api.do("POST", "/p1/"+s.path("/channels")+"?provider=telegram&token=x", nil)
	if third.status != http.StatusBadRequest || !strings.Contains(string(third.body), "already exists") {
		t.Errorf("third channel of two: %d %s", third.status, third.body)
	}
	s.cli("user", "set", "shop", "--partner", "--phone", "79250000001", "--webhook-url", "https://shop.example/codes", "--channel-price", "10000")
	for _, args := range [][]string{
		{"user", "set", "nobody", "--partner"}, {"company", "set", "999999", "--paywall"}, {"company", "set", id, "--channels-per-provider", "0"},
		{"user", "set", "shop", "--phone", "12"}, {"user", "set", "shop", "--webhook-url", "shop.example"}, {"user", "set", "shop", "--channel-price=-1"},
		{"user", "set", "shop", "--channel-price", "1000000000001"},
	} {
		refused(t, s.place, args...)
	}
}

func TestVersionAndMigrate(t *testing.T) {
	t.Parallel()
	if code, out, errs := cli("version"); code != 0 || errs != "" || !regexp.MustCompile(`^parley \S+\n$`).MatchString(out) {
		t.Errorf("version: %d %q %q", code, out, errs)
	}
	onBoth(t, func(t *testing.T, database string) {
		p := place{t.TempDir(), database}
		for range 2 {
			if got := must(t, p, "migrate"); got != "the schema is up to date\n" {
				t.Errorf("migrate: %q", got)
			}
		}
	})
}

// TestTakeover: two gateways never work on the same data.
func TestTakeover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serve := func(args ...string) *served {
		return serveCLI(t, append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, args...)...)
	}
	file := filepath.Join(dir, "listen")
	if err := os.WriteFile(file, []byte("127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := serve("--node", "node-one")
	address := first.ready(t)
	announced(t, file, address)
	second := serve("--node", "node-two", "--takeover-wait", "200ms")
	if code := second.exit(t); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	want := fmt.Sprintf("in use by node-one (process %d)", os.Getpid())
	if got := second.log.String(); !strings.Contains(got, want) || !strings.Contains(got, dir) || !strings.Contains(got, "--takeover-wait") {
		t.Errorf("it said %s, want %s", got, want)
	}
	announced(t, file, address)
	third := serve("--node", "node-three", "--takeover-wait", "5m")
	third.log.await(t, 0, "waiting for another gateway", "node-one")
	first.cancel()
	if code := first.exit(t); code != 0 {
		t.Errorf("exit code %d of the one that stopped: %s", code, first.log)
	}
	announced(t, file, third.ready(t))
	third.cancel()
	if code := third.exit(t); code != 0 {
		t.Errorf("exit code %d: %s", code, third.log)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the address file after the stop: %v", err)
	}
}

// announced wants the file to name the address that is served.
func announced(t *testing.T, file, address string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil || string(b) != address+"\n" {
		t.Errorf("%s says %q, %v, want %s", file, b, err, address)
	}
	if got := (&apiClient{t: t, base: "http://" + address}).do("GET", "/readyz", nil).status; got != http.StatusOK {
		t.Errorf("readyz: %d", got)
	}
}

// TestStaleAddress: a gateway that cannot start leaves no address behind.
func TestStaleAddress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "listen")
	if err := os.WriteFile(file, []byte("127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy := newHost(t, http.NotFoundHandler())
	code, _, errs := cli("serve", "--data", dir, "--listen", busy.address)
	if code != 1 || !strings.Contains(errs, "--listen") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the address of an earlier gateway is still there: %v", err)
	}
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--public-url", "example.com"}, {"--public-url", "ftp://example.com"}, {"--takeover-wait", "soon"}, {"--webhook-policy", "never"},
		{"--webhook-retries", "-1"}, {"--webhook-retries", "many"}, {"--webhook-delay", "9ms"}, {"--webhook-delay", "x"},
		{"--webhook-timeout", "0s"}, {"--job-expiry", "-1h"}, {"--connect-grace", "0s"}, {"--stop-timeout", "0s"}, {"--pace", "slow"},
		{"--rate-limit", "v3"}, {"--disable", "telegram,fax"}, {"--log-format", "xml"}, {"--log-level", "loud"}, {"--no-such-flag", "1"}, {"--listen", "nowhere:99999"},
		{"--database", "mysql://127.0.0.1/parley"},
	} {
		t.Run(strings.Join(args, "="), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			out, errs := newJournal(), newJournal()
			code := run(ctx, []string{"serve", "--data", t.TempDir(), "--listen=127.0.0.1:0", args[0] + "=" + args[1]}, console{out, errs})
			if code == 0 || ctx.Err() != nil || !strings.Contains(errs.String(), strings.TrimPrefix(args[0], "--")) {
				t.Errorf("exit code %d: %s%s", code, out, errs)
			}
		})
	}
}

// TestEnvironment: every flag can be given as a variable, to serve and to any
// command that has it.
func TestEnvironment(t *testing.T) {
	values := map[string]string{
		"listen": "127.0.0.1:7777", "data": "/somewhere", "database": "postgres://db/parley", "public-url": "https://gw.example", "node": "n1",
		"takeover-wait": "3s", "stop-timeout": "4s", "allow-private-targets": "true", "webhook-policy": "standard", "webhook-retries": "7",
		"webhook-delay": "11ms", "webhook-timeout": "5s", "send-timeout": "9s", "job-expiry": "6h", "connect-grace": "7m", "pace": "off", "rate-limit": "v2", "disable": "telegram",
		"log-format": "json", "log-level": "warn", "metrics-listen": "127.0.0.1:7778", "keep-events": "50s", "keep-attempts": "51s",
		"keep-quarantine": "52s", "keep-dead-letters": "53s", "keep-idempotency": "54s", "keep-files": "55s", "blobs": "/somewhere/else", "max-file": "7",
		"bucket-access-key": "***", "bucket-secret-key": "***", "bucket-ca": "/ca.pem",
	}
	for name, value := range values {
		t.Setenv("PARLEY_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), value)
	}
	var c commands
	parser := kong.Must(&c, kong.DefaultEnvars("PARLEY"))
	if _, err := parser.Parse([]string{"serve"}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, node := range parser.Model.Children {
		for _, flag := range node.Flags {
			if node.Name != "serve" {
				continue
			}
			value := flag.Target
			for value.Kind().String() == "ptr" {
				value = value.Elem()
			}
			got[flag.Name] = strings.Trim(fmt.Sprint(value.Interface()), "[]")
		}
	}
	for name, value := range values {
		if want := strings.NewReplacer("6h", "6h0m0s", "7m", "7m0s").Replace(value); got[name] != want {
			t.Errorf("--%s from the environment: %q, want %q", name, got[name], want)
		}
	}
	for name := range got {
		if _, ok := values[name]; !ok {
			t.Errorf("--%s is not tested here", name)
		}
	}
	for _, command := range []string{"simulate", "demo", "version", "migrate"} {
		if _, err := kong.Must(new(commands), kong.DefaultEnvars("PARLEY")).Parse([]string{command}); err != nil {
			t.Errorf("parley %s with the variables of serve: %v", command, err)
		}
	}
}
