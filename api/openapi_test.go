package api

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/api/apitest"
	"github.com/parley-im/parley/params"
)

// contractDocument is the document that the tests check everything against.
var contractDocument = sync.OnceValues(func() (*apitest.Document, error) { return apitest.New(OpenAPI()) })

func theDocument(tb testing.TB) *apitest.Document {
	tb.Helper()
	d, err := contractDocument()
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// ignored are parameters that tests send although the document does not have
// them, to see that they do no harm.
var ignored = []string{"x"}

// accord checks an answer against the document, and if it grants something, the
// parameters as well, unless they are beyond the document.
func accord(tb testing.TB, sent *http.Request, body string, beyond bool, got reply) {
	tb.Helper()
	d := theDocument(tb)
	path := pathOf(sent)
	if below := strings.TrimLeft(path, "/"); !strings.HasPrefix(below, "p1/") && !strings.HasPrefix(below, "api/") {
		return
	}
	err := d.Answer(apitest.Answer{Method: sent.Method, Path: path, Status: got.code, Header: got.header, Body: []byte(got.text)})
	if err != nil {
		tb.Errorf("the answer is not as openapi.yaml has it: %v\n%.1000s", err, got.text)
	}
	if got.code/100 != 2 || sent.Method == http.MethodHead || beyond {
		return
	}
	values, err := parametersOf(sent, body)
	if err == nil {
		err = d.Request(apitest.Request{Method: sent.Method, Path: path, Parameters: values, Ignored: ignored})
	}
	if err != nil {
		tb.Errorf("the request is granted, and not as openapi.yaml has it: %v\n%.1000s", err, body)
	}
}

// parametersOf reads the parameters of a request as the server does.
func parametersOf(sent *http.Request, body string) (map[string]any, error) {
	r, err := http.NewRequest(sent.Method, sent.URL.String(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = sent.Header.Clone()
	values, files := map[string]any{}, map[string]any{}
	set, err := params.Read(r, params.Options{OnFile: func(f *params.File) error {
		files[f.Field] = f.Name
		_, err := io.Copy(io.Discard, f)
		return err
	}})
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(set.Canonical())))
	decoder.UseNumber()
	err = decoder.Decode(&values)
	for name, value := range files {
		values[name] = value
	}
	return values, err
}

// idParameters are the names that the document has for the ids in patterns.
var idParameters = map[string]string{"C": "{company_id}", "CH": "{channel_id}", "CV": "{conversation_id}", "ID": "{job_id}", "M": "{message_id}", "EP": "{endpoint_id}"}

// operationsOf writes the lines of a table as the document does.
func operationsOf(prefix string, table []endpoint) (list []string) {
	for _, e := range table {
		parts := strings.Split(e.pattern, "/")
		for i, part := range parts {
			if name, ok := idParameters[part]; ok {
				parts[i] = name
			}
		}
		list = append(list, e.method+" "+prefix+strings.Join(parts, "/"))
	}
	return list
}

// TestDocumentComplete: the document and the tables of endpoints have the same
// operations.
func TestDocumentComplete(t *testing.T) {
	t.Parallel()
	s := testServer()
	want := append(operationsOf("/p1/", s.endpoints()), operationsOf("/api/", s.accountEndpoints())...)
	slices.Sort(want)
	if diff := cmp.Diff(want, theDocument(t).Operations()); diff != "" {
		t.Errorf("tables (-) and document (+) differ:\n%s", diff)
	}
}

// TestDocumentWebhooks: every kind of event has a webhook, and the schema of
// kinds names them all.
func TestDocumentWebhooks(t *testing.T) {
	t.Parallel()
	kinds := eventKinds(t)
	if len(kinds) < 20 {
		t.Fatalf("only the kinds %q were found", kinds)
	}
	var named []string
	for _, kind := range decoded(t).schema("EventKind")["enum"].([]any) {
		named = append(named, kind.(string))
	}
	slices.Sort(named)
	if diff := cmp.Diff(kinds, named); diff != "" {
		t.Errorf("kinds (-) and EventKind (+) differ:\n%s", diff)
	}
	others := []string{"test", "verification/code"}
	want := slices.Sorted(slices.Values(append(others, kinds...)))
	if diff := cmp.Diff(want, theDocument(t).Webhooks()); diff != "" {
		t.Errorf("kinds (-) and webhooks (+) differ:\n%s", diff)
	}
}

// eventKinds reads the constants of type EventKind from their source.
func eventKinds(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "EventKind" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Error(err)
			}
			kinds = append(kinds, text)
		}
		return true
	})
	slices.Sort(kinds)
	return kinds
}

// TestDocumentValid: the document is one in the eyes of somebody else's library,
// and its examples are such as their schemas allow.
func TestDocumentValid(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	for _, err := range theDocument(t).Examples() {
		t.Error(err)
	}
}
