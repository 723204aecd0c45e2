package connectortest

import (
	"bytes"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// A Play is how the simulator is told to let something happen: a verb of its
// control API, with parameters beside those that the suite gives.
type Play struct {
	Verb   string
	Params map[string]string
}

// with returns the play with another verb if it has none of its own.
func (p Play) with(verb string) Play {
	if p.Verb == "" {
		p.Verb = verb
	}
	return p
}

// play lets something happen to the account. The pairs of name and value go
// before the play's own; files are uploaded under their names.
func (w *world) play(p Play, files map[string]sample, pairs ...string) Answer {
	w.Helper()
	params := map[string]string{"account": w.account}
	for i := 0; i+1 < len(pairs); i += 2 {
		params[pairs[i]] = pairs[i+1]
	}
	maps.Copy(params, p.Params)
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		_ = m.WriteField(name, params[name]) // a buffer takes everything
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		part, _ := m.CreatePart(textproto.MIMEHeader{"Content-Type": {f.mime},
			"Content-Disposition": {`form-data; name="` + name + `"; filename="` + f.name + `"`}})
		_, _ = part.Write(f.data)
	}
	_ = m.Close()
	return flat(w, w.request(http.MethodPost, p.Verb, m.FormDataContentType(), &body))
}

// did is play for what a person does.
func (w *world) did(p Play, person string, files map[string]sample, pairs ...string) said {
	w.Helper()
	return saidOf(w.play(p, files, append([]string{"person", person}, pairs...)...))
}

// one is the map for a single upload.
func one(f sample) map[string]sample { return map[string]sample{"file": f} }

// list reads a JSON list of ids out of an answer.
func (w *world) list(a Answer, name string) []string {
	w.Helper()
	var ids []json.RawMessage
	if err := json.Unmarshal([]byte(a[name]), &ids); err != nil {
		w.Fatalf("the simulator's answer has no list %s: %v", name, a)
	}
	var out []string
	for _, id := range ids {
		out = append(out, strings.Trim(string(id), `"`))
	}
	return out
}

// logged counts the requests of a method that the simulator has seen.
func (w *world) logged(method string) int {
	w.Helper()
	var list struct{ Log []struct{ Method string } }
	if err := json.Unmarshal(w.control(http.MethodGet, "log?limit=10000", nil), &list); err != nil {
		w.Fatalf("GET log: %v", err)
	}
	n := 0
	for _, line := range list.Log {
		if line.Method == method {
			n++
		}
	}
	return n
}
