// Package apitest checks answers, parameters and webhook bodies against the
// API's OpenAPI document, in the tests of whatever package has some of these in
// its hands. It knows the document alone: no route, no handler, no renderer. It
// is not for production code, and it sends no requests.
package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// resource is the name under which the compiler knows the document.
const resource = "openapi.yaml"

// A Document is an OpenAPI 3.1 document that things can be checked against. It is
// safe for concurrent use.
type Document struct {
	root  map[string]any
	paths []string // those with fixed segments before those with ids

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by JSON pointer
}

// New reads a document in YAML.
func New(text []byte) (*Document, error) {
	root, err := Decode(text)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(resource, root); err != nil {
		return nil, err
	}
	d := &Document{root: root, compiler: c, schemas: map[string]*jsonschema.Schema{}}
	paths, _ := root["paths"].(map[string]any)
	for path := range paths {
		d.paths = append(d.paths, path)
	}
	slices.SortFunc(d.paths, func(a, b string) int { return strings.Count(a, "{") - strings.Count(b, "{") })
	return d, nil
}

// Decode reads YAML into what encoding/json would make of the same in JSON, with
// numbers as json.Number.
func Decode(text []byte) (map[string]any, error) {
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(plain))
	root, ok := value.(map[string]any)
	if err == nil && !ok {
		err = fmt.Errorf("the document is no object")
	}
	return root, err
}

// methods are those that an operation can have.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// Operations returns every method and path of the document, such as
// "GET /p1/companies/{company_id}", sorted.
func (d *Document) Operations() []string {
	var all []string
	for _, path := range d.paths {
		item, _ := d.at(pointer("paths", path)).(map[string]any)
		for _, method := range methods {
			if item[method] != nil {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Webhooks returns the names of the document's webhooks, sorted.
func (d *Document) Webhooks() []string {
	hooks, _ := d.root["webhooks"].(map[string]any)
	var all []string
	for name := range hooks {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// An Answer is the answer to one request. Path may have doubled and trailing
// slashes; it has no query.
type Answer struct {
	Method, Path string
	Status       int
	Header       http.Header
	Body         []byte
}

// Answer checks that an answer is one that the document describes for its
// operation: the status, the headers that must be there, the type, and the body.
// A path or a method that the document does not have must be answered so.
func (d *Document) Answer(a Answer) error {
	place, err := d.response(a)
	if err != nil {
		return err
	}
	if err := d.headers(place, a.Header); err != nil {
		return fmt.Errorf("%s %s, answer %d: %w", a.Method, a.Path, a.Status, err)
	}
	if a.Method == http.MethodHead {
		return nil
	}
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	content := place + pointer("content", kind)
	if d.at(content) == nil {
		return fmt.Errorf("%s %s, answer %d: the document has no answer of type %q", a.Method, a.Path, a.Status, kind)
	}
	if kind != "application/json" {
		return nil
	}
	if err := d.matches(content+"/schema", a.Body); err != nil {
		return fmt.Errorf("%s %s, answer %d: %w", a.Method, a.Path, a.Status, err)
	}
	return nil
}

// response finds where the document describes an answer.
func (d *Document) response(a Answer) (string, error) {
	path, ok := d.path(a.Path)
	if !ok {
		if a.Status != http.StatusNotFound {
			return "", fmt.Errorf("%s %s is answered %d, and not in the document", a.Method, a.Path, a.Status)
		}
		return "/components/responses/NotFound", nil
	}
	method := strings.ToLower(a.Method)
	if method == "head" {
		method = "get"
	}
	operation := pointer("paths", path, method)
	if d.at(operation) == nil {
		if a.Status != http.StatusMethodNotAllowed {
			return "", fmt.Errorf("%s %s is answered %d, and not in the document", a.Method, path, a.Status)
		}
		return "/components/responses/MethodNotAllowed", nil
	}
	place := operation + pointer("responses", strconv.Itoa(a.Status))
	if d.at(place) == nil {
		return "", fmt.Errorf("%s %s is answered %d, which the document does not have: %s", a.Method, path, a.Status, a.Body)
	}
	return d.follow(place), nil
}

// headers reports a header that must be there and is not, or is another one.
func (d *Document) headers(response string, got http.Header) error {
	described, _ := d.at(response + "/headers").(map[string]any)
	for name := range described {
		place := d.follow(response + pointer("headers", name))
		header, _ := d.at(place).(map[string]any)
		value := got.Get(name)
		if value == "" {
			if header["required"] == true {
				return fmt.Errorf("no header %s", name)
			}
			continue
		}
		schema, err := d.compile(place + "/schema")
		if err != nil {
			return err
		}
		if fitted, _ := fit(value, schema); schema.Validate(fitted) != nil {
			return fmt.Errorf("header %s is %q", name, value)
		}
	}
	return nil
}

// Webhook checks the body of a webhook against the schema of what it says it is.
func (d *Document) Webhook(body []byte) error {
	var head struct{ Type, Event, Operation string }
	if err := json.Unmarshal(body, &head); err != nil {
		return fmt.Errorf("webhook that is no JSON: %w", err)
	}
	name := head.Type
	switch {
	case head.Event != "":
		name += "/" + head.Event
	case head.Operation != "":
		name = head.Operation
	}
	place := pointer("webhooks", name, "post", "requestBody", "content", "application/json", "schema")
	if d.at(place) == nil {
		return fmt.Errorf("webhook %q is not in the document", name)
	}
	if err := d.matches(place, body); err != nil {
		return fmt.Errorf("webhook %s: %w", name, err)
	}
	return nil
}

// matches checks JSON against the schema at a pointer.
func (d *Document) matches(place string, text []byte) error {
	schema, err := d.compile(place)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return schema.Validate(value)
}

func (d *Document) compile(place string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if schema := d.schemas[place]; schema != nil {
		return schema, nil
	}
	schema, err := d.compiler.Compile(resource + "#" + fragment(place))
	if err == nil {
		d.schemas[place] = schema
	}
	return schema, err
}
