package api

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-im/parley/api/apitest"
)

// A tree is the document as it stands, references not followed.
type tree map[string]any

func decoded(tb testing.TB) tree {
	tb.Helper()
	root, err := apitest.Decode(OpenAPI())
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

func (t tree) schema(name string) tree { return t.under("components", "schemas", name) }

func (t tree) under(keys ...string) tree {
	for _, key := range keys {
		next, _ := t[key].(map[string]any)
		t = next
	}
	return t
}

// everywhere visits every object below v with its place.
func everywhere(v any, place string, visit func(place string, object tree)) {
	switch v := v.(type) {
	case map[string]any:
		visit(place, v)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			everywhere(v[key], place+"/"+key, visit)
		}
	case []any:
		for i := range v {
			everywhere(v[i], place+"/"+strconv.Itoa(i), visit)
		}
	}
}

// TestDocumentLint: what every part of the document has to have.
func TestDocumentLint(t *testing.T) {
	t.Parallel()
	for _, fault := range lint(decoded(t)) {
		t.Error(fault)
	}
}

// lint returns what is wrong with a document.
func lint(root tree) []string {
	var faults []string
	report := func(place, problem string, args ...any) {
		faults = append(faults, place+": "+fmt.Sprintf(problem, args...))
	}
	seen := map[string]string{}
	everywhere(map[string]any(root), "", func(place string, object tree) {
		if ref, ok := object["$ref"].(string); ok && root.under(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
			report(place, "%s leads nowhere", ref)
		}
		if id, ok := object["operationId"].(string); ok {
			if seen[id] != "" {
				report(place, "the operation has the id of %s", seen[id])
			}
			seen[id] = place
			lintOperation(place, object, report)
		}
		if schema, ok := object["schema"].(map[string]any); ok {
			lintSchema(root, place+"/schema", schema, report)
		}
	})
	for path := range root.under("paths") {
		if root.under("paths", path)["parameters"] != nil {
			report(path, "parameters outside of its operations, which the page does not show")
		}
	}
	for name, schema := range root.under("components", "schemas") {
		object, _ := schema.(map[string]any)
		lintSchema(root, "/components/schemas/"+name, object, report)
	}
	slices.Sort(faults)
	return faults
}

func lintOperation(place string, operation tree, report func(string, string, ...any)) {
	for _, key := range []string{"summary", "tags", "responses"} {
		if operation[key] == nil {
			report(place, "no %s", key)
		}
	}
	open := strings.HasPrefix(place, "/webhooks/") || strings.HasPrefix(place, "/paths//api/")
	key := map[string]any{"$ref": "#/components/parameters/IdempotencyKey"}
	parameters, _ := operation["parameters"].([]any)
	has := slices.ContainsFunc(parameters, func(p any) bool { return fmt.Sprint(p) == fmt.Sprint(key) })
	if want := strings.HasSuffix(place, "/post") && !open; want != has {
		report(place, "Idempotency-Key: %v", has)
	}
	responses := operation.under("responses")
	if _, conflict := responses["409"]; conflict != has {
		report(place, "an answer 409 goes with Idempotency-Key")
	}
	if strings.HasPrefix(place, "/webhooks/") {
		return
	}
	for _, status := range []string{"200", "406", "500", "503"} {
		if responses[status] == nil {
			report(place, "no answer %s", status)
		}
	}
	if (responses["401"] == nil) != (place == "/paths//api/verification/post") {
		report(place, "an answer 401 goes with a token")
	}
	company := strings.Contains(place, "{company_id}")
	if (responses["404"] != nil) != company {
		report(place, "an answer 404 goes with an id")
	}
	if below := company && !strings.Contains(place, "/{company_id}/get") && !strings.Contains(place, "/{company_id}/put"); (responses["402"] != nil) != below {
		report(place, "an answer 402 goes with what is below a company")
	}
}

// bounds are the keywords that bound a type; one of each list is enough.
var bounds = map[string][][]string{
	"string":  {{"maxLength", "enum", "const", "pattern"}},
	"integer": {{"minimum", "enum", "const"}, {"maximum", "enum", "const"}},
	"number":  {{"minimum"}, {"maximum"}},
	"array":   {{"maxItems"}, {"items"}},
	"object":  {{"additionalProperties"}},
}

// lintSchema reports what a schema and those within it lack. What stands beside a
// reference adds to what is there.
func lintSchema(root tree, place string, schema tree, report func(string, string, ...any)) {
	for _, name := range slices.Sorted(maps.Keys(schema.under("properties"))) {
		if property, ok := schema.under("properties")[name].(map[string]any); ok {
			lintSchema(root, place+"/properties/"+name, property, report)
		}
	}
	if schema["$ref"] != nil {
		return // the target is linted by itself
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if part, ok := schema[key].(map[string]any); ok {
			lintSchema(root, place+"/"+key, part, report)
		}
	}
	alternatives := 0
	for _, key := range []string{"oneOf", "anyOf"} {
		list, _ := schema[key].([]any)
		for i, part := range list {
			if part := part.(map[string]any); part["type"] != nil || part["$ref"] != nil {
				alternatives++
				lintSchema(root, place+"/"+key+"/"+strconv.Itoa(i), part, report)
			}
		}
	}
	if text, _ := schema["description"].(string); text == "" {
		report(place, "no description")
	}
	types := typesOf(schema)
	if len(types) == 0 && alternatives == 0 && schema["const"] == nil && schema["enum"] == nil {
		report(place, "no type")
	}
	lintTypes(place, schema, types, report)
}

func lintTypes(place string, schema tree, types []string, report func(string, string, ...any)) {
	for _, name := range types {
		for _, choice := range bounds[name] {
			if !slices.ContainsFunc(choice, func(key string) bool { return schema[key] != nil }) {
				report(place, "a %s without %s", name, strings.Join(choice, " or "))
			}
		}
	}
	object := slices.Contains(types, "object") && schema.under("properties") != nil || slices.Contains(types, "array") && schema.under("items")["$ref"] != nil
	if examples, _ := schema["examples"].([]any); len(examples) == 0 && !object && !slices.Equal(types, []string{"null"}) && !strings.HasSuffix(place, "Body") && schema["oneOf"] == nil {
		report(place, "no examples")
	}
	for _, name := range listOf(schema["required"]) {
		if slices.Contains(types, "object") && schema.under("properties")[name] == nil {
			report(place, "%s is required and not described", name)
		}
	}
}

func typesOf(schema tree) []string {
	if one, ok := schema["type"].(string); ok {
		return []string{one}
	}
	return listOf(schema["type"])
}

func listOf(v any) []string {
	var all []string
	list, _ := v.([]any)
	for _, item := range list {
		all = append(all, fmt.Sprint(item))
	}
	return all
}

// TestLintChecker: the lint finds what it is for.
func TestLintChecker(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		damage     func(tree)
	}{
		{"description", "no description", func(d tree) { delete(d.schema("Id"), "description") }},
		{"examples", "no examples", func(d tree) { delete(d.schema("Id"), "examples") }},
		{"minimum", "without minimum", func(d tree) { delete(d.schema("Id"), "minimum") }},
		{"length", "without maxLength", func(d tree) { delete(d.schema("Name"), "maxLength") }},
		{"open", "without additionalProperties", func(d tree) { delete(d.schema("Job"), "additionalProperties") }},
		{"nested", "JobAnswer/properties/x: no type", func(d tree) {
			d.schema("JobAnswer").under("properties")["x"] = map[string]any{"description": "x", "examples": []any{1}}
		}},
		{"required", "y is required", func(d tree) { d.schema("Job")["required"] = []any{"y"} }},
		{"reference", "leads nowhere", func(d tree) { delete(d.under("components", "schemas"), "Id") }},
		{"operationId", "has the id of", func(d tree) { d.under("paths", "/p1/billing", "get")["operationId"] = "listCompanies" }},
		{"key", "Idempotency-Key: false", func(d tree) { delete(d.under("paths", "/p1/companies", "post"), "parameters") }},
		{"path", "parameters outside", func(d tree) { d.under("paths", "/p1/companies")["parameters"] = []any{} }},
		{"answer", "no answer 503", func(d tree) { delete(d.under("paths", "/p1/companies", "post", "responses"), "503") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := decoded(t)
			tt.damage(broken)
			if got := lint(broken); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, tt.want) }) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
