package params

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// rewinder is a body that can be read again without a new allocation.
type rewinder struct{ *strings.Reader }

func (rewinder) Close() error { return nil }

func benchmark(b *testing.B, contentType, body string) {
	r := httptest.NewRequest(http.MethodPost, "/p1/companies/1/conversations/2/messages", nil)
	r.Header.Set("Content-Type", contentType)
	r.ContentLength = int64(len(body))
	again := rewinder{strings.NewReader(body)}
	r.Body = again
	b.ReportAllocs()
	for b.Loop() {
		if _, err := again.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		s, err := Read(r, Options{})
		if err != nil {
			b.Fatal(err)
		}
		bind := s.Bind()
		text := bind.String("message", Alias("text"), Length(1, 32768))
		ids := bind.Ints("attachments_ids", Alias("attachment_ids"), Min(1))
		bind.Bool("send_to_crm")
		if bind.Err() != nil || text.Value != "hi" || ids.Sent() {
			b.Fatal(bind.Err(), text)
		}
	}
}

func BenchmarkSendForm(b *testing.B) { benchmark(b, form, "message=hi") }

func BenchmarkSendJSON(b *testing.B) { benchmark(b, js, `{"message":"hi"}`) }
