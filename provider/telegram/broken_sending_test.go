package telegram_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/connector/connectortest"
)

// files changes the file of each part.
func files(change func(*connector.Part, *parley.Attachment)) func(*connector.Part) {
	return func(p *connector.Part) {
		if p.File != nil {
			a := *p.File
			p.File = &a
			change(p, &a)
		}
	}
}

func typeless(_ *connector.Part, a *parley.Attachment) {
	a.Type, a.Kind = "application/octet-stream", parley.FileDocument
}

func captioned(p *connector.Part, _ *parley.Attachment) { p.Text = "look" }

func dropSecond(p *connector.Part) {
	if p.Index > 0 && p.File != nil {
		p.File, p.Text = nil, "a file"
	}
}

func afresh(p *connector.Part) { p.Key, p.Index = "k", 0 }

// startOver sends the first part once more before each later one.
func startOver(c *client, ctx context.Context, p connector.Part) (connector.Sent, error) {
	if p.Index > 0 {
		again := p
		again.File, again.Text, again.Index = nil, "again", 0
		if s, err := c.Client.Send(ctx, again); err != nil {
			return s, err
		}
	}
	return c.Client.Send(ctx, p)
}

// A spoiler changes a byte, and its length stays.
type spoiler struct{ io.ReadCloser }

func (s spoiler) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	return n, errAfter(bytes.ReplaceAll(p[:n], []byte{'\n'}, []byte{' '}), p, err)
}

func errAfter(changed, p []byte, err error) error {
	copy(p, changed)
	return err
}

// An open file is never closed.
type open struct{ io.ReadCloser }

func (open) Close() error { return nil }

// naive builds its form with whatever the file is called.
func naive(c *client, ctx context.Context, p connector.Part) (connector.Sent, error) {
	if p.File == nil {
		return c.Client.Send(ctx, p)
	}
	file, _, err := c.env.Files.Open(ctx, p.File)
	if err != nil {
		return connector.Sent{}, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(file)
	if err != nil {
		return connector.Sent{}, err
	}
	part := func(disposition, body string) string {
		return "--edge\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + body + "\r\n"
	}
	body := part(`name="chat_id"`, p.Chat) + part(`name="caption"`, p.Text) +
		part(`name="document"; filename="`+p.File.Name+`"`, string(data)) + "--edge--\r\n"
	return c.submit(ctx, body)
}

func (c *client) submit(ctx context.Context, body string) (connector.Sent, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.env.Base+"/bot"+c.ch.Secrets["token"].Reveal()+"/sendDocument", bytes.NewReader([]byte(body)))
	if err != nil {
		return connector.Sent{}, err
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=edge")
	resp, err := c.env.HTTP.Do(req)
	if err != nil {
		return connector.Sent{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Result struct {
			ID json.Number `json:"message_id"`
		} `json:"result"`
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return connector.Sent{ProviderID: answer.Result.ID.String(), Ack: parley.AckSent}, err
}

var breaksOfSending = map[string]breakage{
	"takes files unasked": {noticed: "file/none", suite: func(s *connectortest.Suite) { s.Files, s.Lacks = nil, []string{"files"} }},
	"other bytes":         {noticed: "file/as sendDocument", files: func(r io.ReadCloser) io.ReadCloser { return spoiler{r} }},
	"leaves files open":   {noticed: "file/as sendDocument", files: func(r io.ReadCloser) io.ReadCloser { return open{r} }},
	"all documents":       {noticed: "file/as sendPhoto", plan: files(typeless)},
	"no voice":            {noticed: "file/as sendVoice", plan: files(typeless)},
	"other caption":       {noticed: "file/as sendVideo", plan: files(captioned)},
	"caption again":       {noticed: "file/long caption", plan: files(captioned)},
	"drops files":         {noticed: "file/several", plan: dropSecond},
	"one key for files":   {noticed: "file/several", plan: afresh},
	"starts over":         {noticed: "file/resumed", send: startOver},
	"no parent of a file": {noticed: "file/reply", plan: func(p *connector.Part) { p.Index++ }},
	"refused twice":       {noticed: "file/refused picture", send: twoTimes},
	"large later":         {noticed: "file/too large", send: sends(renames(parley.KindRejected, parley.KindUnavailable))},
	"unsure of nothing":   {noticed: "file/unreadable", send: sends(renames(parley.KindUnavailable, parley.KindUncertain))},
	"gone later":          {noticed: "file/unreadable", send: sends(renames(parley.KindRejected, parley.KindUnavailable))},
	"cut for good":        {noticed: "file/upload cut", send: sends(all(parley.KindRejected))},
	"naive names":         {noticed: "file/names", send: naive},
	"resends files":       {noticed: "file/cut after", send: resend},
	"resends cut files":   {noticed: "file/cut before", send: resend},
	"too sure of files":   {noticed: "file/garbage", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"too sure if stopped": {noticed: "file/cancelled while slow", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"too sure if ended":   {noticed: "file/deadline while late", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"no wait for uploads": {noticed: "file/throttled", send: sends(func(err error) error { return parley.Errorf(parley.KindOf(err), "wait") })},
	"unsure of uploads":   {noticed: "file/status 500", send: sends(renames(parley.KindUnavailable, parley.KindUncertain))},
	"tells uploads":       {noticed: "secrets/traces", send: tell},
}
