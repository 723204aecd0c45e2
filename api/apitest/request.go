package apitest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A Request is what a request that was granted said.
type Request struct {
	Method, Path string
	// Parameters are those of query and body, decoded: objects, lists, texts,
	// json.Number, bool and nil.
	Parameters map[string]any
	// Ignored are names that the request has although the document does not
	// describe them, on purpose.
	Ignored []string
}

// Request checks that the parameters of a request that was granted are such as
// the document describes. A value that is spelled in another way that the API
// takes, such as a number as text, counts as what it means; a blank text where
// the document allows none counts as absent.
func (d *Document) Request(r Request) error {
	path, ok := d.path(r.Path)
	operation := pointer("paths", path, strings.ToLower(r.Method))
	if !ok || d.at(operation) == nil {
		return fmt.Errorf("%s %s is not in the document", r.Method, r.Path)
	}
	values := maps.Clone(r.Parameters)
	for _, name := range r.Ignored {
		delete(values, name)
	}
	if err := d.query(operation, values); err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, path, err)
	}
	if err := d.body(operation, values); err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, path, err)
	}
	return nil
}

// query checks and takes out the values that are described as parameters of a
// query. One that is required must be there.
func (d *Document) query(operation string, values map[string]any) error {
	list, _ := d.at(operation + "/parameters").([]any)
	for i := range list {
		place, parameter := d.parameter(operation, list, i)
		name, _ := parameter["name"].(string)
		value, given := values[name]
		switch {
		case parameter["in"] != "query":
			continue
		case !given && parameter["required"] == true:
			return fmt.Errorf("no parameter %s", name)
		case !given:
			continue
		}
		delete(values, name)
		schema, err := d.compile(place + "/schema")
		if err != nil {
			return err
		}
		if fitted, keep := fit(value, schema); keep {
			if err := schema.Validate(fitted); err != nil {
				return fmt.Errorf("parameter %s: %w", name, err)
			}
		}
	}
	return nil
}

// parameter returns a parameter of a list, and a pointer at it.
func (d *Document) parameter(operation string, list []any, i int) (string, map[string]any) {
	object, _ := list[i].(map[string]any)
	if ref, ok := object["$ref"].(string); ok {
		place := strings.TrimPrefix(ref, "#")
		object, _ = d.at(place).(map[string]any)
		return place, object
	}
	return operation + "/parameters/" + strconv.Itoa(i), object
}

// body checks the values that are left against the schema of the body.
func (d *Document) body(operation string, values map[string]any) error {
	place := d.follow(operation + "/requestBody")
	described, _ := d.at(place).(map[string]any)
	if described == nil {
		if len(values) > 0 {
			return fmt.Errorf("parameters that are not described: %q", slices.Sorted(maps.Keys(values)))
		}
		return nil
	}
	if len(values) == 0 && described["required"] != true {
		return nil
	}
	kind := "application/json"
	if content, _ := described["content"].(map[string]any); values["file"] != nil && content["multipart/form-data"] != nil {
		kind = "multipart/form-data"
	}
	schema, err := d.compile(place + pointer("content", kind, "schema"))
	if err != nil {
		return err
	}
	fitted, _ := fit(values, schema)
	return schema.Validate(fitted)
}

// fit returns the first reading of a value that its schema allows, and the value
// itself if none is. keep is false for a value that means that there is none.
func fit(v any, s *jsonschema.Schema) (fitted any, keep bool) {
	if s.Validate(v) == nil {
		return v, true
	}
	switch v := v.(type) {
	case nil:
		return nil, false
	case map[string]any:
		return fitObject(v, s), true
	case []any:
		if itemsOf(s) == nil && len(v) > 0 {
			return fit(v[len(v)-1], s) // of a name that is repeated, the last one counts
		}
		return fitList(v, s), true
	case string:
		if strings.TrimSpace(v) == "" {
			return nil, false
		}
		return reading(readings(v), s), true
	case json.Number:
		return reading([]any{v.String(), v.String() == "1", []any{v}}, s), true
	}
	return v, true
}

// reading returns the first that a schema allows, or the first.
func reading(all []any, s *jsonschema.Schema) any {
	for _, v := range all {
		if s.Validate(v) == nil {
			return v
		}
	}
	return all[0]
}

// readings are what a text may mean.
func readings(text string) []any {
	trimmed := strings.TrimSpace(text)
	lower := strings.ToLower(trimmed)
	all := []any{text, trimmed, lower}
	if number(trimmed) || trimmed == "0" {
		all = append(all, json.Number(trimmed), []any{json.Number(trimmed)})
	}
	switch lower {
	case "true", "1", "t", "yes", "y", "on":
		all = append(all, true)
	case "false", "0", "f", "no", "n", "off":
		all = append(all, false)
	}
	if v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text))); err == nil {
		all = append(all, v)
	}
	return append(all, []any{text})
}

func fitObject(v map[string]any, s *jsonschema.Schema) any {
	if items := itemsOf(s); items != nil {
		return fitList(inOrder(v), s)
	}
	fitted := map[string]any{}
	for name, value := range v {
		property := propertyOf(s, name)
		if property == nil {
			fitted[name] = value
			continue
		}
		if value, keep := fit(value, property); keep {
			fitted[name] = value
		}
	}
	return fitted
}

// inOrder reads an object whose keys are numbers as a list.
func inOrder(v map[string]any) []any {
	keys := slices.SortedFunc(maps.Keys(v), func(a, b string) int {
		return cmp.Or(len(a)-len(b), strings.Compare(a, b))
	})
	list := make([]any, len(keys))
	for i, key := range keys {
		list[i] = v[key]
	}
	return list
}

func fitList(v []any, s *jsonschema.Schema) any {
	items := itemsOf(s)
	if items == nil {
		return v
	}
	fitted := make([]any, len(v))
	for i := range v {
		fitted[i], _ = fit(v[i], items)
	}
	return fitted
}

// propertyOf finds the schema of a property, wherever it is said.
func propertyOf(s *jsonschema.Schema, name string) *jsonschema.Schema {
	return search(s, func(s *jsonschema.Schema) *jsonschema.Schema { return s.Properties[name] })
}

func itemsOf(s *jsonschema.Schema) *jsonschema.Schema {
	return search(s, func(s *jsonschema.Schema) *jsonschema.Schema { return s.Items2020 })
}

// search asks a schema and those that it consists of.
func search(s *jsonschema.Schema, ask func(*jsonschema.Schema) *jsonschema.Schema) *jsonschema.Schema {
	if s == nil {
		return nil
	}
	if found := ask(s); found != nil {
		return found
	}
	for _, other := range slices.Concat([]*jsonschema.Schema{s.Ref}, s.AnyOf, s.OneOf) {
		if found := search(other, ask); found != nil {
			return found
		}
	}
	return nil
}
