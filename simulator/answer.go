package simulator

import (
	"encoding/json"
	"net/http"

	"github.com/parley-im/parley"
)

// An Answer is a provider's whole response, complete before a byte of it is
// written, so that a fault can hold it back or throw it away.
type Answer struct {
	Status int
	Type   string      // Content-Type; empty means application/json
	Header http.Header // further headers; may be nil
	Body   []byte

	flow func(w http.ResponseWriter, body []byte) // how a fault writes Body; nil: at once
}

// Write sends the answer. It blocks as long as a fault commands, and panics with
// http.ErrAbortHandler where one closes the connection in the middle of the body.
func (a Answer) Write(w http.ResponseWriter) {
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if a.Type == "" {
		a.Type = "application/json"
	}
	w.Header().Set("Content-Type", a.Type)
	w.WriteHeader(a.Status)
	if a.flow != nil {
		a.flow(w, a.Body)
		return
	}
	_, _ = w.Write(a.Body) // a client that hung up is no concern of the simulator
}

// WriteJSON answers a control request with v.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	Answer{Status: status, Body: append(body, '\n')}.Write(w)
}

// WriteError answers a control request with the sentence of err: 404 for
// parley.KindNotFound, 500 for parley.KindInternal, and 400 for every other kind.
func WriteError(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	switch parley.KindOf(err) {
	case parley.KindNotFound:
		status = http.StatusNotFound
	case parley.KindInternal:
		status = http.StatusInternalServerError
	}
	WriteJSON(w, status, map[string]string{"error": parley.Reason(err)})
}

func invalid(sentence string) error  { return parley.Errorf(parley.KindInvalid, sentence) }
func notFound(sentence string) error { return parley.Errorf(parley.KindNotFound, sentence) }
