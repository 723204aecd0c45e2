package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDemo does what a new user does: starts the demo, pastes every line it
// prints, and looks at the webhooks; then starts it once more.
func TestDemo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		p := place{t.TempDir(), database}
		first := startDemo(t, p)
		demoPaste(t, first)
		first.stop(t)
		if mode := fileMode(t, filepath.Join(p.Data, "token")); mode != 0o600 {
			t.Errorf("the token's file has mode %o", mode)
		}
		second := startDemo(t, p)
		if second.token != first.token || second.conversation != first.conversation {
			t.Errorf("the second start has token %s and %s, the first had %s and %s", second.token, second.conversation, first.token, first.conversation)
		}
		if got := second.run(t, second.lines[1]); !strings.Contains(got, "Thank you!") || !strings.Contains(got, "It left this morning") {
			t.Errorf("what was said before the restart: %s", got)
		}
		demoPaste(t, second)
	})
}

type running struct {
	*served
	lines               []string // of curl
	token, conversation string
}

func startDemo(t *testing.T, p place) running {
	t.Helper()
	d := running{served: serveCLI(t, p.args("demo", "--listen", "127.0.0.1:0", "--sim", "127.0.0.1:0")...)}
	d.out.await(t, 0, "Ctrl-C stops it")
	text := d.out.String()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "curl ") {
			d.lines = append(d.lines, strings.TrimSpace(line))
		}
	}
	if len(d.lines) != 11 {
		t.Fatalf("%d lines to paste in:\n%s", len(d.lines), text)
	}
	d.token = regexp.MustCompile(`API token: (parley_\S+)`).FindStringSubmatch(text)[1]
	d.conversation = regexp.MustCompile(`/companies/\d+/conversations/\d+`).FindString(d.lines[1])
	return d
}

func (d running) stop(t *testing.T) {
	t.Helper()
	d.cancel()
	if code := d.exit(t); code != 0 {
		t.Errorf("exit code %d: %s", code, d.log)
	}
}

// demoPaste runs every line, and waits for the webhooks it leads to.
func demoPaste(t *testing.T, d running) {
	t.Helper()
	texts := []struct{ answer, webhook string }{
		{`"name":"demo"`, ""},
		{"Hello! Is my order on its way?", ""},
		{`"state":"trying_deliver"`, `"result":"DELIVERED"`},
		{"It left this morning", ""},
		{`"state":"trying_deliver"`, `"file_name":"order.txt"`},
		{`"message_id"`, "attachment/ready"},
		{`"message_id"`, `"message":"Thank you!"`},
		{`"update_id"`, `"payload":"spring-sale"`},
		{`"update_id"`, `conversation/blocked`},
		{`"state":"trying_deliver"`, `"result":"NOT DELIVERED"`},
		{`"type":"conversation","event":"new"`, ""},
	}
	for i, line := range d.lines {
		if _, err := exec.LookPath("curl"); err != nil && strings.Contains(line, "$(") {
			continue // the stand-in for curl is no shell
		}
		behind := d.out.lines.Total()
		if got := d.run(t, line); !strings.Contains(got, texts[i].answer) {
			t.Errorf("%s\nanswered %s, want %s", line, got, texts[i].answer)
		}
		if texts[i].webhook != "" {
			d.out.await(t, behind, "  webhook  ", texts[i].webhook)
		}
	}
	if text := d.out.String(); strings.Contains(text, "wrong signature") {
		t.Errorf("wrong signatures:\n%s", text)
	}
}

// run runs one line as a shell would, without curl if there is none.
func (d running) run(t *testing.T, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := exec.LookPath("curl"); err != nil {
		return curl(ctx, t, words(line)[1:])
	}
	out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v %s", line, err, out)
	}
	if !json.Valid(out) {
		t.Errorf("%s\nanswered no JSON: %s", line, out)
	}
	return string(out)
}

// words splits a line as a shell does, with double quotes only.
func words(line string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		all = append(all, m[1]+m[2])
	}
	return all
}

// curl does what curl would with the few options that the demo uses.
func curl(ctx context.Context, t *testing.T, args []string) string {
	t.Helper()
	var data []string
	address, header := "", http.Header{}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-s":
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			header.Set(name, value)
		case "-d":
			i++
			data = append(data, args[i])
		default:
			address = args[i]
		}
	}
	method := http.MethodGet
	if data != nil {
		method = http.MethodPost
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if _, err := url.Parse(address); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(strings.Join(data, "&")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestWithoutCurl keeps the stand-in for curl honest on machines that have it.
func TestWithoutCurl(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	h := newHost(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("X-Private-Api-Token"), string(body)}, "|")
		_, _ = io.WriteString(w, "{}")
	}))
	line := `curl -s -H "X-Private-Api-Token: T" -d person=ann -d "text=Thank you!" ` + h.url() + `/say`
	if got := curl(t.Context(), t, words(line)[1:]); got != "{}" {
		t.Errorf("answer %q", got)
	}
	if got, want := <-seen, "POST|/say|T|person=ann&text=Thank you!"; got != want {
		t.Errorf("request %q, want %q", got, want)
	}
}

func fileMode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
