package api

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

var updateSDK = flag.Bool("update-sdk", false, "write the answers in testdata/sdk")

// TestClients sends, byte for byte, what the official PHP and Python clients
// write for each of their methods, and what curl users write. Beside every
// request, in a file .want, is the answer with its ids and times hidden.
//
// In a request {NAME} stands for an id, a token or an address of the sdkWorld,
// {LEN} for the length of the body and {FILE} for 1.5 MiB.
func TestClients(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/sdk/*/*.http")
	if err != nil || len(files) < 80 {
		t.Fatalf("%d requests, %v", len(files), err)
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := newGateway(t, db)
		for _, file := range files {
			name := strings.TrimSuffix(strings.TrimPrefix(file, "testdata/sdk/"), ".http")
			t.Run(name, func(t *testing.T) {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				got := g.sdkWorld(t, string(raw)).wire(t, string(raw))
				wantAnswer(t, strings.TrimSuffix(file, ".http")+".want", got)
				if strings.HasPrefix(name, "python/") {
					demand(t, got)
				}
			})
		}
	})
}

// A world is a tenant and what else requests are about.
type world struct {
	*tenant
	texts map[string]string
}

// sdkWorld makes what a request needs: the companies C and EMPTY, channels of the
// providers that the Python client knows, the conversation CV on WA, the job J in
// it and the upload F1; addresses; and tokens of second pages.
func (g *gateway) sdkWorld(t *testing.T, raw string) *world {
	t.Helper()
	n := g.tenant(t)
	n.put(t, "/p1/companies/{C}", "name=COMPANY_NAME").expect(t, "updated")
	n.ids["EMPTY"] = n.post(t, "/p1/companies", "name=EMPTY").expect(t, "created").id(t)
	n.ids["TP"] = n.post(t, channelsPath, "provider=telegram_personal&phone=79250000002").expect(t, "created").id(t)
	for _, ch := range [][2]string{{"TG", "telegram"}, {"WB", "whatsapp_business"}, {"IG", "instagram"}} {
		n.channel(t, ch[0], ch[1])
	}
	n.ids["CV"] = int64(n.hear(t, n.channel(t, "WA", "whatsapp"), "79250000001", "1", "Hello"))
	n.hear(t, n.whole(t, "WA"), "79250000001", "2", "Are you there?")
	n.hear(t, n.whole(t, "WA"), "79250000003", "3", "Hello")
	n.ids["F1"] = n.photo(t)
	n.ids["J"] = int64(n.post(t, messagesPath, "message=x").expect(t, "ok").at("data", "id").(float64))
	picture := fileServer(t) + "/a.png"
	hook, _ := receiver(t, http.StatusOK)
	w := &world{n, map[string]string{"PICTURE": picture, "PICTURE_ESCAPED": url.QueryEscape(picture), "HOOK": hook, "HOOK_ESCAPED": url.QueryEscape(hook),
		"RECENT": fmt.Sprint(time.Now().Add(-72 * time.Hour).Unix()), "FILE": strings.Repeat("0123456789abcdef", 3<<15)}}
	for name, path := range map[string]string{"COMPANIES": "/p1/companies?per=1", "CHANNELS": channelsPath + "?per=2",
		"CONVERSATIONS": conversationsPath + "?per=1", "MESSAGES": messagesPath + "?per=1"} {
		if strings.Contains(raw, "{PAGE_"+name+"}") {
			w.texts["PAGE_"+name] = n.get(t, path).expect(t, "ok").at("data", "next_page").(string)
		}
	}
	return w
}

// wire sends a request as it is in a file, and returns the answer. A body that is
// announced by Expect is sent once the server asks for it.
func (w *world) wire(t *testing.T, raw string) reply {
	t.Helper()
	for name, text := range w.texts {
		raw = strings.ReplaceAll(raw, "{"+name+"}", text)
	}
	head, body, ok := strings.Cut(w.fill(raw), "\r\n\r\n")
	if !ok {
		t.Fatal("the request has no end of its head")
	}
	head = strings.ReplaceAll(head, "{LEN}", fmt.Sprint(len(body)))
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	fmt.Fprint(conn, head, "\r\n\r\n")
	if strings.Contains(head, "\r\nExpect: 100-continue") {
		line, err := answers.ReadString('\n')
		if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("before the body: %q, %v", line, err)
		}
		_, _ = answers.ReadString('\n') // the empty line after it
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	return readReply(t, answers)
}

// readReply reads the answer of a connection.
func readReply(t *testing.T, answers *bufio.Reader) reply {
	t.Helper()
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return newReply(resp, text)
}

var (
	anyID    = regexp.MustCompile(`"((?:external_|company_|channel_|conversation_|message_)?id)":\d+`)
	anyToken = regexp.MustCompile(`"next_page":"[^"]+"`)
	anyError = regexp.MustCompile(`"errors":\["(?:[^"\\]|\\.)*"`)
	anyHook  = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
)

// masked is the text of an answer without what differs from run to run. What an
// error says is for people, and told by other tests.
func masked(text string) string {
	text = anyID.ReplaceAllString(still(text), `"$1":ID`)
	text = anyHook.ReplaceAllString(anyToken.ReplaceAllString(text, `"next_page":"TOKEN"`), "http://HOST")
	return anyError.ReplaceAllString(text, `"errors":["TEXT"`)
}

// wantAnswer compares an answer with its file.
func wantAnswer(t *testing.T, file string, got reply) {
	t.Helper()
	text := fmt.Sprintf("%d\n%s\n", got.code, masked(got.text))
	if *updateSDK {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(bytes.TrimSpace(want)), strings.TrimSpace(text)); diff != "" {
		t.Error(diff)
	}
	if got := got.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type: got %q", got)
	}
}

// anyNumber puts N into got where want has it instead of a number.
func anyNumber(want, got string) string {
	before, after, found := strings.Cut(want, ":N")
	if !found || !strings.HasPrefix(got, before+":") {
		return got
	}
	rest := strings.TrimLeft(got[len(before)+1:], "0123456789")
	return before + ":N" + anyNumber(after, rest)
}
