package telegram_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

type fetcher = func(*client, context.Context, *parley.Attachment) (connector.Fetched, error)

// bodies changes what is fetched.
func bodies(change func(*connector.Fetched, *parley.Attachment)) fetcher {
	return func(c *client, ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
		got, err := c.Fetcher.Fetch(ctx, a)
		if err == nil {
			change(&got, a)
		}
		return got, err
	}
}

// fetches changes the errors of Fetch.
func fetches(change func(error) error) fetcher {
	return func(c *client, ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
		got, err := c.Fetcher.Fetch(ctx, a)
		if err != nil {
			err = change(err)
		}
		return got, err
	}
}

// all gives every error the kind.
func all(kind parley.Kind) func(error) error {
	return func(err error) error { return &parley.Error{Kind: kind, Message: "renamed", Err: err} }
}

// A reading is a body that is read in another way.
type reading struct {
	io.Reader
	io.Closer
}

func half(got *connector.Fetched, a *parley.Attachment) {
	got.Body = reading{io.LimitReader(got.Body, a.Size/2), got.Body}
}

// A mute reader takes every error for the end.
type mute struct{ io.Reader }

func (m mute) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

func hush(got *connector.Fetched, _ *parley.Attachment) {
	got.Body, got.Size = reading{mute{got.Body}, got.Body}, 0
}

func believeSize(got *connector.Fetched, a *parley.Attachment) { got.Size = a.Size }

func readAll(c *client, ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
	got, err := c.Fetcher.Fetch(ctx, a)
	if err != nil {
		return got, err
	}
	data, err := io.ReadAll(io.LimitReader(got.Body, 1<<30))
	_ = got.Body.Close()
	return connector.Fetched{Body: io.NopCloser(bytes.NewReader(data)), Size: int64(len(data))}, err
}

func hasty(c *client, ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	got, err := c.Fetcher.Fetch(ctx, a)
	if err != nil {
		cancel()
		return got, err
	}
	context.AfterFunc(ctx, cancel)
	return got, nil
}

func unstoppable(c *client, ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	context.AfterFunc(ctx, cancel)
	return c.Fetcher.Fetch(ctx, a)
}

func onlyFirst(c *client, ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
	if c.number > 1 {
		return connector.Fetched{}, parley.Errorf(parley.KindRejected, "this client has never heard of the file")
	}
	return c.Fetcher.Fetch(ctx, a)
}

func tellFile(c *client, ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
	got, err := c.Fetcher.Fetch(ctx, a)
	if err != nil {
		err = parley.Errorf(parley.KindOf(err), "GET /file/bot"+c.ch.Secrets["token"].Reveal())
	}
	return got, err
}

// credulous believes where the provider says that the file is, if it is a place of
// the kind that take takes.
func credulous(take func(c *client, ctx context.Context, place string) (connector.Fetched, bool)) fetcher {
	return func(c *client, ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
		if place, err := c.whereabouts(ctx, a.Source); err == nil {
			if got, ok := take(c, ctx, place); ok {
				return got, nil
			}
		}
		return c.Fetcher.Fetch(ctx, a)
	}
}

func anyPath(c *client, ctx context.Context, place string) (connector.Fetched, bool) {
	return c.open(ctx, c.env.Base+"/file/bot"+c.ch.Secrets["token"].Reveal()+"/"+place)
}

func anyServer(c *client, ctx context.Context, place string) (connector.Fetched, bool) {
	if !strings.HasPrefix(place, "http") {
		return connector.Fetched{}, false
	}
	return c.open(ctx, place)
}

func anyDisk(_ *client, _ context.Context, place string) (connector.Fetched, bool) {
	f, err := os.Open(place)
	return connector.Fetched{Body: f}, err == nil && strings.Contains(place, "secret")
}

func (c *client) whereabouts(ctx context.Context, source string) (string, error) {
	body, err := json.Marshal(map[string]string{"file_id": source})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.env.Base+"/bot"+c.ch.Secrets["token"].Reveal()+"/getFile", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.env.HTTP.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Result struct {
			Path string `json:"file_path"`
		} `json:"result"`
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.Result.Path, err
}

func (c *client) open(ctx context.Context, address string) (connector.Fetched, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return connector.Fetched{}, false
	}
	resp, err := c.env.HTTP.Do(req)
	if err != nil {
		return connector.Fetched{}, false
	}
	return connector.Fetched{Body: resp.Body, Size: max(resp.ContentLength, 0)}, true
}

func profiles(change func(*connector.Profile, *error)) func(connector.Profile, error) (connector.Profile, error) {
	return func(p connector.Profile, err error) (connector.Profile, error) {
		change(&p, &err)
		return p, err
	}
}

func pictures(change func(*connector.File)) func(connector.Profile, error) (connector.Profile, error) {
	return profiles(func(p *connector.Profile, _ *error) {
		if p.Picture != nil {
			change(p.Picture)
		}
	})
}

func loggedOut(_ *connector.Profile, err *error) {
	if *err != nil {
		*err = all(parley.KindLoggedOut)(*err)
	}
}

func fancy(p *connector.Profile, err *error) {
	if *err != nil {
		*p, *err = connector.Profile{Picture: &connector.File{Kind: parley.FileAvatar}}, nil
	}
}

func pictureless(p *connector.Profile, _ *error) { p.Picture = nil }

func unnamed(p *connector.Profile, _ *error) { p.Name = "" }

func optimistic(_ *connector.Profile, err *error) {
	if *err != nil {
		*err = renames(parley.KindLoggedOut, parley.KindUnavailable)(*err)
	}
}

var breaksOfFetching = map[string]breakage{
	"half a file":          {noticed: "content/document", fetch: bodies(half)},
	"half an item":         {noticed: "content/album", fetch: bodies(half)},
	"other picture":        {noticed: "profile/person", fetch: bodies(half)},
	"only the first":       {noticed: "fetch/another client", fetch: onlyFirst},
	"small later":          {noticed: "fetch/too large", fetch: fetches(renames(parley.KindRejected, parley.KindUnavailable))},
	"gone is logged out":   {noticed: "fetch/gone", fetch: fetches(all(parley.KindLoggedOut))},
	"away for ever":        {noticed: "fetch/away", fetch: fetches(all(parley.KindRejected))},
	"one try":              {noticed: "fetch/faults", fetch: fetches(renames(parley.KindUnavailable, parley.KindRejected))},
	"no wait for files":    {noticed: "fetch/faults", fetch: fetches(func(err error) error { return parley.Errorf(parley.KindOf(err), "wait") })},
	"refused is out":       {noticed: "fetch/refused", fetch: fetches(all(parley.KindLoggedOut))},
	"hides the cut":        {noticed: "fetch/cut", fetch: bodies(hush)},
	"believes sizes":       {noticed: "fetch/other length", fetch: bodies(believeSize)},
	"reads for ever":       {noticed: "fetch/endless", fetch: readAll},
	"hasty":                {noticed: "fetch/slow", fetch: hasty},
	"unstoppable":          {noticed: "fetch/stopped", fetch: unstoppable},
	"any path":             {noticed: "fetch/hostile place", fetch: credulous(anyPath)},
	"any server":           {noticed: "fetch/hostile place", fetch: credulous(anyServer)},
	"any disk":             {noticed: "fetch/hostile place", fetch: credulous(anyDisk)},
	"fetches on":           {noticed: "fetch/revoked", fetch: fetches(renames(parley.KindLoggedOut, parley.KindUnavailable))},
	"tells file addresses": {noticed: "secrets/traces", fetch: tellFile},
	"picture is a photo":   {noticed: "profile/person", profile: pictures(func(f *connector.File) { f.Kind = parley.FilePhoto })},
	"one picture":          {noticed: "profile/person", profile: pictures(func(f *connector.File) { f.ID = "1" })},
	"no picture":           {noticed: "profile/group", profile: profiles(pictureless)},
	"no group name":        {noticed: "profile/group", profile: profiles(unnamed)},
	"nobody is out":        {noticed: "profile/unknown", profile: profiles(loggedOut)},
	"faults are out":       {noticed: "profile/faults", profile: profiles(loggedOut)},
	"nonsense is out":      {noticed: "profile/nonsense", profile: profiles(loggedOut)},
	"nonsense is nice":     {noticed: "profile/nonsense", profile: profiles(fancy)},
	"profiles on":          {noticed: "profile/revoked", profile: profiles(optimistic)},
}
