package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	imagejpeg "image/jpeg"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// newCloudStage is newStage with a messenger that has the limits of Telegram's own
// server, and serves downloads. A polled one has no callbacks.
func newCloudStage(t *testing.T, database string, polled bool, tune func(*config)) *stage {
	t.Helper()
	s := bareCloudStage(t, database, polled, tune)
	s.open()
	s.connect()
	return s
}

// bareCloudStage starts nothing.
func bareCloudStage(t *testing.T, database string, polled bool, tune func(*config)) *stage {
	t.Helper()
	return bareStageOf(t, database, func(c *config) {
		c.publicSelf = !polled
		if tune != nil {
			tune(c)
		}
	}, newBotAPIWith(t, telegramsim.Options{Insecure: true, RetryBase: 10 * time.Millisecond}))
}

// An object is one of JSON, as the tests read it.
type object = map[string]any

// data returns what a webhook said.
func (c *crm) data(h hook) object {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	return parsed(c.t, c.bodies[h.id])["data"].(object)
}

// parsed reads an object. Numbers stay as they are written.
func parsed(t *testing.T, body []byte) object {
	t.Helper()
	var o object
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return o
}

// get reads an answer of the API as it is.
func (s *stage) get(path string) object {
	s.t.Helper()
	r := s.api.do(http.MethodGet, "/p1/"+path, nil)
	if r.status != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, r.status, r.body)
	}
	return parsed(s.t, r.body)["data"].(object)
}

// listed returns a message as the API lists it.
func (s *stage) listed(conversation, message int64) object {
	s.t.Helper()
	for _, m := range s.get(s.path("/conversations/%d/messages?per=100", conversation))["messages"].([]any) {
		if id := m.(object)["external_id"].(json.Number); id.String() == strconv.FormatInt(message, 10) {
			return m.(object)
		}
	}
	s.t.Fatalf("message %d is not listed", message)
	return nil
}

// download gets a file by its public address.
func (s *stage) download(address string) apiReply {
	s.t.Helper()
	if base := s.public() + "/files/"; !strings.HasPrefix(address, base) {
		s.t.Fatalf("address of a file: %q, want one below %s", address, base)
	}
	return (&apiClient{t: s.t}).do(http.MethodGet, address, nil)
}

// public is what addresses of files begin with.
func (s *stage) public() string { return "http://" + s.listen }

// tell lets somebody send something.
func (s *stage) tell(l telegramsim.Line) telegramsim.Said {
	s.t.Helper()
	said, err := s.tg.Say(l)
	if err != nil {
		s.t.Fatal(err)
	}
	return said
}

// inject gives the bot an update as it stands there.
func (s *stage) inject(body string) {
	s.t.Helper()
	if _, err := s.tg.Inject("", []byte(body)); err != nil {
		s.t.Fatal(err)
	}
}

// attachments returns the files of a message, and wants so many.
func attachments(t *testing.T, message object, n int) []object {
	t.Helper()
	list, _ := message["attachments"].([]any)
	if len(list) != n {
		t.Fatalf("attachments: %v, want %d", message["attachments"], n)
	}
	var all []object
	for _, a := range list {
		all = append(all, a.(object))
	}
	return all
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// id reads a number of JSON that is an id.
func id(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

// awaitSent waits for what the bot sends next by a method.
func (s *stage) awaitSent(after uint64, methods ...string) simulator.Sent {
	s.t.Helper()
	return await(s.t, "sent by "+strings.Join(methods, " or "), s.tg.Sent(), after, func(m simulator.Sent) bool {
		for _, method := range methods {
			if m.Method == method {
				return true
			}
		}
		return false
	})
}

func number(text string) json.Number { return json.Number(text) }

func int64text(n int64) json.Number { return number(strconv.FormatInt(n, 10)) }

// jpeg returns a small picture, another one for each shade.
func jpeg(t *testing.T, shade uint8) []byte {
	t.Helper()
	p := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range p.Pix {
		p.Pix[i] = shade * uint8(i%7)
	}
	var b bytes.Buffer
	if err := imagejpeg.Encode(&b, p, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
