package connectortest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A Saying is one kind of thing that people say beside text, and what it has to
// become.
type Saying struct {
	// Kind is one of photo, video, video_note, animation, document, audio, voice,
	// sticker, location, live_location, venue, contact, poll and dice.
	Kind string
	// Play lets a person say it; without a verb it is Kind. The suite gives
	// account, person and, of a file, the file, under the name file, with its own
	// name and type (document.pdf, application/pdf and the like; see sample.go).
	Play Play
	// Caption is true if it can have one, which the suite gives as caption.
	Caption bool
	// Want is the message, without what the suite knows better: the caption, and
	// of the file the id, the source and the size. The rules of its kind are
	// checked, too.
	Want connector.Message
}

// A Strange saying is one that the connector knows and cannot carry.
type Strange struct {
	Name string
	// Event returns it in the provider's own shape for POST raw, as said by
	// whoever the chat is with, and the id of the message.
	Event func(chat string) (event, id string)
	// Want has the name of the kind, and the caption if there is one.
	Want connector.Message
}

// A kind is what the suite knows of a kind of saying: the rules that are the same
// for all providers.
type kind struct {
	name  string
	file  parley.FileKind // empty: it has no file
	place bool            // it has a location
	named bool            // which has a name
	text  *regexp.Regexp  // what its text looks like; nil: there is none, but for a caption
}

var kinds = []kind{
	{name: "photo", file: parley.FilePhoto},
	{name: "video", file: parley.FileVideo},
	{name: "video_note", file: parley.FileVideoNote},
	{name: "animation", file: parley.FileAnimation},
	{name: "document", file: parley.FileDocument},
	{name: "audio", file: parley.FileAudio},
	{name: "voice", file: parley.FileVoice},
	{name: "sticker", file: parley.FileSticker, text: regexp.MustCompile(`^\S*$`)},
	{name: "location", place: true},
	{name: "live_location", place: true},
	{name: "venue", place: true, named: true},
	{name: "contact", text: regexp.MustCompile(`^([^\n]+, \+\d+\n?)+$`)},
	{name: "poll", text: regexp.MustCompile(`^[^\n]+(\n[^\n]+){2,}$`)},
	{name: "dice", text: regexp.MustCompile(`^\S+ \d+$`)},
}

// broken lists the rules that a wanted message breaks.
func (k kind) broken(m connector.Message) []string {
	rules := []struct {
		broken bool
		say    string
	}{
		{(k.file != "") != (len(m.Files) == 1) || len(m.Files) > 1, "one file, or none"},
		{k.file != "" && len(m.Files) == 1 && m.Files[0].Kind != k.file, "a file of its kind"},
		{k.place != (m.Location != nil), "a location, or none"},
		{m.Location != nil && k.named != (m.Location.Name != ""), "a location with a name, or without"},
		{k.text == nil && m.Text != "", "no text"},
		{k.text != nil && !k.text.MatchString(m.Text), "a text of its shape"},
		{m.Unsupported != "" || m.Own || m.Forwarded || m.ReplyTo != "", "nothing else"},
	}
	var found []string
	for _, r := range rules {
		if r.broken {
			found = append(found, fmt.Sprintf("Says: %s must have %s", k.name, r.say))
		}
	}
	return found
}

// features lists everything that a network can lack, and whether it is given.
func (s Suite) features() map[string]bool {
	given := map[string]bool{
		"unsupported": len(s.Strange) > 0, "album": s.Album != nil, "forward": s.Forward != nil,
		"edit_caption": s.EditCaption != nil, "edit_file": s.EditFile != nil, "edit_location": s.EditLocation != nil,
		"buttons": s.Buttons != nil, "groups": s.Groups != nil, "fetch": s.Fetch != nil, "profile": s.Profile != nil,
		"files": s.Files != nil,
	}
	for _, k := range kinds {
		given[k.name] = slices.ContainsFunc(s.Says, func(one Saying) bool { return one.Kind == k.name })
	}
	return given
}

// optionFaults lists what is wrong with the options of a suite. Every feature is
// either given or named in Lacks, so that none is left out unseen.
func (s Suite) optionFaults() []string {
	found, given := []string{}, s.features()
	for name, is := range given {
		if is == slices.Contains(s.Lacks, name) {
			found = append(found, "Lacks: "+name+" must be given or be lacking, one of both")
		}
	}
	for _, name := range s.Lacks {
		if _, known := given[name]; !known {
			found = append(found, "Lacks: there is no feature "+name)
		}
	}
	for _, one := range s.Says {
		i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == one.Kind })
		if i < 0 {
			found = append(found, "Says: there is no kind "+one.Kind)
			continue
		}
		found = append(found, kinds[i].broken(one.Want)...)
	}
	return append(found, s.needs(given)...)
}

// needs lists the sayings that other options are built on.
func (s Suite) needs(given map[string]bool) []string {
	var found []string
	for feature, saying := range map[string]string{"album": "photo", "edit_caption": "photo", "edit_file": "document",
		"edit_location": "live_location", "fetch": "document", "forward": "document"} {
		if given[feature] && !given[saying] {
			found = append(found, "Says: "+feature+" needs "+saying)
		}
	}
	spec := s.Provider.Spec()
	if spec.Pace.GroupPerMin > 0 && s.Groups == nil {
		found = append(found, "Groups: Spec has a pace for groups")
	}
	if spec.MaxFiles > 1 && s.Files == nil {
		found = append(found, "Files: Spec allows several")
	}
	if s.Profile != nil && (s.Groups != nil) != (s.Profile.GroupPicture != nil) {
		found = append(found, "Profile: GroupPicture is needed with groups, and only with them")
	}
	if s.Files != nil && len(s.Files.Carries) == 0 || s.Fetch != nil && len(s.Fetch.Methods) == 0 {
		found = append(found, "Files, Fetch: Carries and Methods must not be empty")
	}
	for _, one := range s.Strange {
		if one.Want.Unsupported == "" || strings.ContainsAny(one.Want.Unsupported, " \n") {
			found = append(found, "Strange: "+one.Name+" must name the kind in one word")
		}
	}
	return found
}

// saying is the one of a kind; optionFaults says if it is missing.
func (w *world) saying(kind string) Saying {
	w.Helper()
	for _, s := range w.suite.Says {
		if s.Kind == kind {
			return s
		}
	}
	w.Fatalf("the suite has no saying of kind %s", kind)
	return Saying{}
}

// says lets a person say it, with a file of its own for each number. The sample
// is empty if it has none.
func (w *world) says(s Saying, person string, n int, pairs ...string) (said, sample) {
	w.Helper()
	if len(s.Want.Files) == 0 {
		return w.did(s.Play.with(s.Kind), person, nil, pairs...), sample{}
	}
	file := newSample(s.Kind, n)
	return w.did(s.Play.with(s.Kind), person, one(file), pairs...), file
}

// want is what a saying becomes with this caption and this file.
func (s Saying) want(caption string, file sample) connector.Message {
	m := s.Want
	if caption != "" {
		m.Text = caption
	}
	if m.Files = slices.Clone(m.Files); len(m.Files) == 1 {
		m.Files[0].Size = int64(len(file.data))
	}
	return m
}
