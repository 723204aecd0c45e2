package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/fetch"
)

// fileStore says where the bytes of files are. Every command that touches them
// has these flags.
type fileStore struct {
	Blobs           string        `help:"Where files are kept: a directory, or s3://BUCKET/PREFIX?endpoint=https://HOST (default: blobs in the data directory)." placeholder:"PLACE"`
	BucketAccessKey parley.Secret `help:"Access key of the bucket; better given in the environment." placeholder:"KEY"`
	BucketSecretKey parley.Secret `help:"Secret key of the bucket; better given in the environment." placeholder:"KEY"`
	BucketCA        string        `name:"bucket-ca" help:"Certificate authorities that vouch for the bucket's endpoint, in PEM." placeholder:"FILE"`
}

// open opens the store of files of a data directory.
func (f *fileStore) open(data string) (blob.Store, error) {
	s, err := blob.Open(f.location(data), blob.Options{AccessKey: f.BucketAccessKey, SecretKey: f.BucketSecretKey, CAFile: f.BucketCA})
	if err != nil {
		return nil, fmt.Errorf("open the files: %w", err)
	}
	return s, nil
}

// openFiles opens the store of files, and makes sure that it is the one that the
// database knows.
func (g *gateway) openFiles(ctx context.Context) (err error) {
	if g.blobs, err = g.config.fileStore.open(g.config.Data); err != nil {
		return err
	}
	id, err := g.blobs.ID(ctx)
	if err != nil {
		return fmt.Errorf("read the identity of the files in %s: %w", g.blobs, err)
	}
	if err := g.db.CheckBlobs(ctx, id, func() (bool, error) { return noFiles(ctx, g.blobs) }); err != nil {
		return fmt.Errorf("%s: %w", g.blobs, err)
	}
	g.db.SetBase(g.fileBase())
	return nil
}

// noFiles reports whether no gateway has stored a file yet.
func noFiles(ctx context.Context, s blob.Store) (bool, error) {
	found := errors.New("there is a file")
	err := s.Walk(ctx, func(e blob.Entry) error {
		if attachment.OwnKey(e.Key) {
			return found
		}
		return nil
	})
	if err == found {
		return false, nil
	}
	return err == nil, err
}

// fileBase is what addresses of files begin with.
func (g *gateway) fileBase() string {
	if g.config.PublicURL != "" {
		return g.config.PublicURL
	}
	host, port, err := net.SplitHostPort(g.listener.address())
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return "http://" + g.listener.address()
	}
	g.log.Warn("addresses of files name this machine alone: set --public-url", "address", g.listener.address())
	return "http://" + net.JoinHostPort("127.0.0.1", port)
}

// joinFiles makes the service that fetches, takes and serves files.
func (g *gateway) joinFiles() error {
	guarded, err := fetch.New(fetch.Options{Name: "file_url", AllowPrivate: g.config.AllowPrivateTargets, AllowLoopback: g.config.allowLoopback, Redirects: 3})
	if err != nil {
		return err
	}
	g.files = attachment.New(attachment.Config{
		Store: g.db, Blobs: g.blobs, Clients: g.sessions, Grants: g.lease, Targets: guarded, Log: g.log, MaxSize: g.config.MaxFile << 20, Trace: g.traces.fetched,
		Observe: g.metrics,
	})
	return nil
}
