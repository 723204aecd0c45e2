package telegram_test

import (
	"context"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/connector/connectortest"
)

// messages changes every message.
func messages(change func(*connector.Message)) func(*client, connector.Callback) ([]connector.Event, error) {
	return events(func(e *connector.Event) {
		if m, is := e.What.(connector.Message); is {
			change(&m)
			e.What = m
		}
	})
}

// carried changes every file of a message.
func carried(change func(*connector.File)) func(*client, connector.Callback) ([]connector.Event, error) {
	return messages(func(m *connector.Message) {
		for i := range m.Files {
			change(&m.Files[i])
		}
	})
}

// placed changes every place.
func placed(change func(*parley.Location)) func(*client, connector.Callback) ([]connector.Event, error) {
	return messages(func(m *connector.Message) {
		if m.Location != nil {
			change(m.Location)
		}
	})
}

// edits changes every edit.
func edits(change func(*connector.Edit)) func(*client, connector.Callback) ([]connector.Event, error) {
	return events(func(e *connector.Event) {
		if edit, is := e.What.(connector.Edit); is {
			change(&edit)
			e.What = edit
		}
	})
}

// ignores takes every event of a kind for nothing.
func ignores(kind string) func(*client, connector.Callback) ([]connector.Event, error) {
	return events(func(e *connector.Event) {
		if e.What.Kind() == kind {
			e.What = connector.Ignored{Reason: "broken"}
		}
	})
}

func wordless(m *connector.Message)  { m.Text = "" }
func firstWord(m *connector.Message) { m.Text, _, _ = strings.Cut(m.Text, " ") }
func firstLine(m *connector.Message) { m.Text, _, _ = strings.Cut(m.Text, "\n") }
func supported(m *connector.Message) { m.Unsupported = "" }
func ownWords(m *connector.Message)  { m.Forwarded = false }
func repeated(m *connector.Message)  { m.Text = "three of them" }
func placeless(m *connector.Message) { m.Location = nil }
func titleless(m *connector.Message) { m.Text = m.Payload }
func unconfirmed(e *connector.Event) { e.Confirm = "" }
func direct(e *connector.Event)      { e.Chat.Group = false }
func nameless(e *connector.Event)    { e.Chat.Name = "" }
func anonymous(e *connector.Event)   { e.From = connector.Person{} }
func oldName(e *connector.Event) {
	if e.What.Kind() == "renamed" {
		e.Chat.Name = "Before"
	}
}

func byMessage(e *connector.Event) {
	if m, is := e.What.(connector.Message); is {
		for i := range m.Files {
			m.Files[i].ID = e.ID
		}
	}
}

func confirmTwice(c *client, ctx context.Context, id string) error {
	_ = c.Confirmer.Confirm(ctx, id)
	return c.Confirmer.Confirm(ctx, id)
}

// confirmStrictly takes what does not wait any more for a failure.
func confirmStrictly(c *client, ctx context.Context, id string) error {
	err := c.Confirmer.Confirm(ctx, id)
	if _, again := c.confirmed.LoadOrStore(id, true); again && err == nil {
		return parley.Errorf(parley.KindRejected, "it does not wait any more")
	}
	return err
}

func confirmNothing(*client, context.Context, string) error { return nil }

var breaksOfContent = map[string]breakage{
	"kind":               {noticed: "content/photo", receive: carried(func(f *connector.File) { f.Kind = parley.FileDocument })},
	"size":               {noticed: "content/document", receive: carried(func(f *connector.File) { f.Size++ })},
	"name":               {noticed: "content/audio", receive: carried(func(f *connector.File) { f.Name = "" })},
	"type":               {noticed: "content/voice", receive: carried(func(f *connector.File) { f.Type = "" })},
	"measures":           {noticed: "content/animation", receive: carried(func(f *connector.File) { f.Width = 0 })},
	"round":              {noticed: "content/video_note", receive: carried(func(f *connector.File) { f.Kind = parley.FileVideo })},
	"id of a file":       {noticed: "content/document", receive: carried(func(f *connector.File) { f.ID = "" })},
	"source of a file":   {noticed: "content/document", receive: carried(func(f *connector.File) { f.Source = "" })},
	"caption":            {noticed: "content/video", receive: messages(wordless)},
	"emoji":              {noticed: "content/sticker", receive: messages(wordless)},
	"place":              {noticed: "content/location", receive: placed(func(l *parley.Location) { l.Latitude, l.Longitude = l.Longitude, l.Latitude })},
	"live place":         {noticed: "content/live_location", receive: messages(placeless)},
	"name of a place":    {noticed: "content/venue", receive: placed(func(l *parley.Location) { l.Name = "" })},
	"phone":              {noticed: "content/contact", receive: messages(firstWord)},
	"options of a poll":  {noticed: "content/poll", receive: messages(firstLine)},
	"value of a dice":    {noticed: "content/dice", receive: messages(firstWord)},
	"hides kinds":        {noticed: "content/unsupported story", receive: messages(supported)},
	"hides new kinds":    {noticed: "content/unsupported new", receive: messages(supported)},
	"hides words":        {noticed: "content/unsupported with caption", receive: messages(wordless)},
	"repeats captions":   {noticed: "content/album", receive: messages(repeated)},
	"album in one":       {noticed: "content/album", receive: events(alikeFiles)},
	"ids by message":     {noticed: "content/same file", receive: events(byMessage)},
	"one id":             {noticed: "content/same file", receive: carried(func(f *connector.File) { f.ID = "1" })},
	"no parent of files": {noticed: "content/reply with a file", receive: events(quiet)},
	"own words":          {noticed: "content/forward", receive: messages(ownWords)},
	"old caption":        {noticed: "content/edited caption", receive: edits(func(e *connector.Edit) { e.Text = "one" })},
	"wrong file kept":    {noticed: "content/edited caption", receive: edits(func(e *connector.Edit) { e.Files[0].ID = "1" })},
	"old file":           {noticed: "content/edited file", receive: edits(func(e *connector.Edit) { e.Files = nil })},
	"old place":          {noticed: "content/edited location", receive: edits(func(e *connector.Edit) { e.Location = nil })},
	"one move":           {noticed: "content/edited location", receive: events(unversion)},
	"no title":           {noticed: "content/button", receive: messages(titleless)},
	"not to confirm":     {noticed: "content/button", receive: events(unconfirmed)},
	"confirms twice":     {noticed: "content/button confirmed", confirm: confirmTwice},
	"confirms strictly":  {noticed: "content/button confirmed", confirm: confirmStrictly},
	"confirms nothing":   {noticed: "content/button confirmed", confirm: confirmNothing},
	"other file polled":  {noticed: "both/same identities", receive: carried(func(f *connector.File) { f.Size++ })},
	"leaves out":         {noticed: "spec/options", suite: func(s *connectortest.Suite) { s.Album = nil }},
	"lacks and has":      {noticed: "spec/options", suite: func(s *connectortest.Suite) { s.Lacks = []string{"fetch"} }},
	"wants wrong":        {noticed: "spec/options", suite: func(s *connectortest.Suite) { s.Says[0].Want.Files = nil }},
	"hidden ability":     {noticed: "spec/abilities", suite: func(s *connectortest.Suite) { s.Fetch, s.Lacks = nil, []string{"fetch"} }},
	"hidden profile":     {noticed: "spec/abilities", suite: func(s *connectortest.Suite) { s.Profile, s.Lacks = nil, []string{"profile"} }},
	"hidden confirm":     {noticed: "spec/abilities", suite: func(s *connectortest.Suite) { s.Buttons, s.Lacks = nil, []string{"buttons"} }},
}

// alikeFiles gives all items of an album one identity.
func alikeFiles(e *connector.Event) {
	if m, is := e.What.(connector.Message); is && len(m.Files) > 0 {
		e.ID = "700"
	}
}

func movesSilently(c *client, ctx context.Context, p connector.Part) (connector.Sent, error) {
	s, err := c.Client.Send(ctx, p)
	s.Chat = ""
	return s, err
}

var breaksOfGroups = map[string]breakage{
	"group is direct":    {noticed: "group/messages", receive: events(direct)},
	"nameless group":     {noticed: "group/messages", receive: events(nameless)},
	"anonymous":          {noticed: "group/messages", receive: events(anonymous)},
	"stores services":    {noticed: "group/messages", receive: events(loud)},
	"anonymous file":     {noticed: "group/files", receive: events(anonymous)},
	"no parent in group": {noticed: "group/send", plan: func(p *connector.Part) { p.Index++ }},
	"old name":           {noticed: "group/renamed", receive: events(oldName)},
	"no new name":        {noticed: "group/renamed", receive: ignores("renamed")},
	"stays put":          {noticed: "group/moved", receive: ignores("moved")},
	"moves silently":     {noticed: "group/moved", send: movesSilently},
	"still there":        {noticed: "group/removed", receive: ignores("blocked")},
	"never back":         {noticed: "group/removed", receive: ignores("unblocked")},
	"talks to a wall":    {noticed: "group/removed", send: sends(renames(parley.KindUnreachable, parley.KindUnavailable))},
}

// loud makes messages of what says nothing.
func loud(e *connector.Event) {
	if _, is := e.What.(connector.Ignored); is {
		e.What = connector.Message{}
	}
}
