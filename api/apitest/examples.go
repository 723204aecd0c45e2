package apitest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Examples returns what is wrong with the schemas of the document that have
// examples: that they are no schemas, or that they do not allow an example. The
// order is that of the places.
func (d *Document) Examples() []error {
	var faults []error
	d.examples(d.root, "", &faults)
	return faults
}

func (d *Document) examples(v any, place string, faults *[]error) {
	switch v := v.(type) {
	case map[string]any:
		if examples, ok := v["examples"].([]any); ok {
			*faults = append(*faults, d.allowed(place, examples)...)
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			d.examples(v[key], place+pointer(key), faults)
		}
	case []any:
		for i := range v {
			d.examples(v[i], place+"/"+strconv.Itoa(i), faults)
		}
	}
}

// allowed checks the examples of the schema at a pointer.
func (d *Document) allowed(place string, examples []any) []error {
	schema, err := d.compile(place)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", place, err)}
	}
	var faults []error
	for _, example := range examples {
		if err := schema.Validate(example); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", place, err))
		}
	}
	return faults
}
