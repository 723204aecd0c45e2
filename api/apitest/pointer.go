package apitest

import (
	"net/url"
	"strings"
)

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer makes a JSON pointer of keys.
func pointer(keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString("/" + pointerEscapes.Replace(key))
	}
	return b.String()
}

// fragment escapes a JSON pointer for a URL.
func fragment(place string) string {
	u := url.URL{Fragment: place}
	return u.EscapedFragment()
}

var pointerTexts = strings.NewReplacer("~1", "/", "~0", "~")

// at returns what is at a JSON pointer; references on the way are followed, that
// at its end is not. It returns nil if nothing is there.
func (d *Document) at(place string) any {
	var v any = d.root
	for key := range strings.SplitSeq(strings.TrimPrefix(place, "/"), "/") {
		v = d.deref(v)
		object, _ := v.(map[string]any)
		v = object[pointerTexts.Replace(key)]
	}
	return v
}

func (d *Document) deref(v any) any {
	object, _ := v.(map[string]any)
	if ref, ok := object["$ref"].(string); ok {
		return d.at(strings.TrimPrefix(ref, "#"))
	}
	return v
}

// follow returns the pointer that a reference at a pointer leads to, or the
// pointer itself if there is none.
func (d *Document) follow(place string) string {
	object, _ := d.at(place).(map[string]any)
	if ref, ok := object["$ref"].(string); ok {
		return d.follow(strings.TrimPrefix(ref, "#"))
	}
	return place
}

// path finds the document's path for that of a request.
func (d *Document) path(requested string) (string, bool) {
	got := segments(requested)
	for _, path := range d.paths {
		if fits(segments(path), got) {
			return path, true
		}
	}
	return "", false
}

// segments splits a path; empty segments are left out.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

func fits(pattern, got []string) bool {
	if len(pattern) != len(got) {
		return false
	}
	for i, want := range pattern {
		if id := strings.HasPrefix(want, "{"); id && !number(got[i]) || !id && want != got[i] {
			return false
		}
	}
	return true
}

// number reports whether a segment is an id: an integer of at least 1.
func number(s string) bool {
	return strings.Trim(s, "0123456789") == "" && strings.Trim(s, "0") != "" && len(strings.TrimLeft(s, "0")) < 19
}
