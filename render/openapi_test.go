package render_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/parley-im/parley/api"
	"github.com/parley-im/parley/api/apitest"
)

var document = sync.OnceValues(func() (*apitest.Document, error) { return apitest.New(api.OpenAPI()) })

// described checks a body against the webhooks of the OpenAPI document; what is no
// body of a webhook is passed over.
func described(t *testing.T, body []byte) {
	t.Helper()
	if !bytes.HasPrefix(body, []byte(`{"type":`)) {
		return
	}
	d, err := document()
	if err == nil {
		err = d.Webhook(body)
	}
	if err != nil {
		t.Errorf("not as openapi.yaml has it: %v", err)
	}
}
