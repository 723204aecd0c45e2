package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/parley-im/parley"
)

// maxWebhook bounds what the demo's receiver reads.
const maxWebhook = 1 << 20

// A receiver is the demo's customer: it checks signatures and prints what comes.
type receiver struct {
	mu     sync.Mutex
	out    io.Writer
	signed *standardwebhooks.Webhook
}

// verify sets the secret that deliveries must be signed with.
func (r *receiver) verify(secret parley.Secret) error {
	signed, err := standardwebhooks.NewWebhook(secret.Reveal())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signed = signed
	return err
}

// ServeHTTP takes one webhook.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxWebhook))
	if err != nil {
		http.Error(w, "cannot read the body", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.signed == nil { // the test of the address, before there is a secret to check
		return
	}
	if err := r.signed.Verify(body, req.Header); err != nil && !isTest(body) {
		fmt.Fprintln(r.out, "webhook with a wrong signature:", err)
		http.Error(w, "wrong signature", http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(r.out, "%s  webhook  %-24s %s\n", time.Now().Format(time.TimeOnly), kindOf(body), body)
}

func isTest(body []byte) bool {
	var test struct {
		Operation string `json:"operation"`
	}
	return json.Unmarshal(body, &test) == nil && test.Operation == "test"
}

func kindOf(body []byte) string {
	var e struct{ Type, Event, Operation string }
	_ = json.Unmarshal(body, &e) // our own webhooks
	if e.Event == "" {
		return strings.TrimSpace(e.Type + e.Operation)
	}
	return e.Type + "/" + e.Event
}

// print tells a new user what there is and what to try.
func (d *demo) print(base string, company, conversation int64) error {
	sim := "http://" + d.server.address() + "/sim/" + d.sim.Provider()
	_, err := fmt.Fprintf(d.out.out, `
Parley is running at %[1]s, with a simulated Telegram bot and its customer Ann.
API token: %[2]s   (also in %[3]s)

Paste these into another terminal; webhooks appear here as they are delivered.

# your companies
curl -s -H "X-Private-Api-Token: %[2]s" %[1]s/p1/companies
# the conversation with Ann, and what was said
curl -s -H "X-Private-Api-Token: %[2]s" %[1]s/p1/companies/%[5]d/conversations/%[6]d/messages
# answer her; it arrives at the simulated Bot API
curl -s -H "X-Private-Api-Token: %[2]s" -d "message=It left this morning" %[1]s/p1/companies/%[5]d/conversations/%[6]d/messages
curl -s "%[4]s/sent?method=sendMessage"
# send a file: upload it, then name it in a message
curl -s -H "X-Private-Api-Token: %[2]s" -d "message=Your order" -d "attachments_ids=$(curl -s -H "X-Private-Api-Token: %[2]s" -F "file=Table, oak, 200 cm;filename=order.txt" %[1]s/p1/companies/%[5]d/conversations/%[6]d/messages/attachments | grep -o '[0-9]*')" %[1]s/p1/companies/%[5]d/conversations/%[6]d/messages
# Ann sends a photo: its address is in the webhook, and attachment/ready says that the bytes are there
curl -s -d person=ann -d "caption=Does it look like this?" %[4]s/photo
# play the customer: Ann writes, somebody new presses Start, Ann blocks the bot
curl -s -d person=ann -d "text=Thank you!" %[4]s/say
curl -s -d person=Zoe -d payload=spring-sale %[4]s/start
curl -s -d person=ann %[4]s/block
# now a message to her cannot be delivered: job/executed says why
curl -s -H "X-Private-Api-Token: %[2]s" -d "message=Are you there?" %[1]s/p1/companies/%[5]d/conversations/%[6]d/messages
# the same events without a webhook, from the beginning
curl -s -H "X-Private-Api-Token: %[2]s" "%[1]s/p1/companies/%[5]d/events?after=first&limit=5"

The whole API to browse: %[1]s/docs

Ctrl-C stops it; the next start goes on with the same data in %[7]s.

`, base, d.token, filepath.Join(d.command.Data, "token"), sim, company, conversation, d.command.Data)
	return err
}
