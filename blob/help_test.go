package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
)

// s3Env is the environment variable with a bucket of a real server, as
// http://accesskey:secretkey@host:port/bucket.
const s3Env = "PARLEY_TEST_S3"

// A place is where a fresh store can be opened, several times.
type place struct {
	location string
	options  blob.Options
}

func (p place) open(t *testing.T) blob.Store {
	t.Helper()
	s, err := blob.Open(p.location, p.options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// each runs f on a fresh place of each sort, at once with other tests.
func each(t *testing.T, f func(t *testing.T, p place)) {
	t.Helper()
	for name, fresh := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, fresh(t))
		})
	}
}

var places = map[string]func(*testing.T) place{"directory": dirPlace, "bucket": s3Place}

func dirPlace(t *testing.T) place { return place{location: t.TempDir()} }

// A server is a real S3 server and a bucket of it.
type server struct{ endpoint, host, bucket, access, secret string }

// realServer skips the test where there is no server; in CI there has to be one.
func realServer(t *testing.T) server {
	t.Helper()
	text := os.Getenv(s3Env)
	if text == "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not set: CI must test a real S3 server", s3Env)
		}
		t.Skipf("set %s to http://key:secret@host:port/bucket to run this on an S3 server", s3Env)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatalf("%s is no address", s3Env)
	}
	secret, _ := u.User.Password()
	return server{
		endpoint: u.Scheme + "://" + u.Host, host: u.Host, bucket: strings.Trim(u.Path, "/"),
		access: u.User.Username(), secret: secret,
	}
}

func (s server) options() blob.Options {
	return blob.Options{AccessKey: parley.Secret(s.access), SecretKey: parley.Secret(s.secret)}
}

// client speaks to the server past the store.
func (s server) client(t *testing.T) *minio.Core {
	t.Helper()
	c, err := minio.NewCore(s.host, &minio.Options{
		Creds: credentials.NewStaticV4(s.access, s.secret, ""), Region: "us-east-1", Secure: strings.HasPrefix(s.endpoint, "https"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var prefixes atomic.Int64

func newPrefix() string {
	return fmt.Sprintf("test-%d-%d/%d", os.Getpid(), time.Now().UnixNano(), prefixes.Add(1))
}

func s3Place(t *testing.T) place {
	t.Helper()
	s := realServer(t)
	prefix := newPrefix()
	t.Cleanup(func() { s.empty(t, prefix) })
	return place{location: s.at(prefix, s.endpoint), options: s.options()}
}

func (s server) at(prefix, endpoint string) string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s&region=us-east-1", s.bucket, prefix, url.QueryEscape(endpoint))
}

func (s server) empty(t *testing.T, prefix string) {
	c, ctx := s.client(t), context.Background()
	for o := range c.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		err := o.Err
		if err == nil {
			err = c.RemoveObject(ctx, s.bucket, o.Key, minio.RemoveObjectOptions{})
		}
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
	}
}

// random returns bytes that look like nothing else, the same for the same seed.
func random(seed byte, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), size)
}

func randomBytes(seed byte, size int64) []byte {
	b, _ := io.ReadAll(random(seed, size)) // a generator does not fail
	return b
}

func infoOf(data []byte) blob.Info {
	return blob.Info{Size: int64(len(data)), SHA256: sha256.Sum256(data)}
}

func put(t *testing.T, s blob.Store, key string, data []byte) blob.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	if info != infoOf(data) {
		t.Fatalf("put %s says %v, want %v", key, info, infoOf(data))
	}
	return info
}

// want checks what is under a key.
func want(t *testing.T, s blob.Store, key string, data []byte) {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Errorf("open %s: %v", key, err)
		return
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, data) || r.Size() != int64(len(data)) {
		t.Errorf("%s: %d bytes of %d, %v; want the %d that were put", key, len(got), r.Size(), err, len(data))
	}
}

func wantNone(t *testing.T, s blob.Store, key string) {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err == nil {
		r.Close()
	}
	wantKind(t, "open "+key, err, parley.KindNotFound, "")
}

func wantKind(t *testing.T, what string, err error, kind parley.Kind, code string) {
	t.Helper()
	var e *parley.Error
	if as, ok := err.(*parley.Error); ok {
		e = as
	}
	if parley.KindOf(err) != kind || (e != nil && e.Code != code) {
		t.Errorf("%s: %v of kind %q, want kind %q, code %q", what, err, parley.KindOf(err), kind, code)
	}
}

// list returns the sizes of all blobs by key.
func list(t *testing.T, s blob.Store) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	err := s.Walk(t.Context(), func(e blob.Entry) error {
		if _, twice := all[e.Key]; twice {
			t.Errorf("%s is met twice", e.Key)
		}
		if age := time.Since(e.ModTime).Abs(); age > time.Hour {
			t.Errorf("%s was put at %v", e.Key, e.ModTime)
		}
		all[e.Key] = e.Size
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantNothingLeft checks that no Put has left anything behind.
func wantNothingLeft(t *testing.T, s blob.Store) {
	t.Helper()
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("%d leftovers, %v; want none", n, err)
	}
}
