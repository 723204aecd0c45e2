package attachment

import (
	"context"
	"errors"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-im/parley"
)

func yes() bool { return true }

var untimed = cmpopts.IgnoreFields(parley.Attachment{}, "CreatedAt", "Blob")

func TestUpload(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		q     UploadRequest
		bytes string
		want  parley.Attachment
	}{
		{"picture", UploadRequest{Name: "../a.png", Type: "image/png"}, picture(t, png.Encode),
			parley.Attachment{Kind: parley.FilePhoto, Name: "a.png", Type: "image/png", Width: 40, Height: 30}},
		{"gif", UploadRequest{}, picture(t, encodeGIF), parley.Attachment{Kind: parley.FileAnimation, Type: "image/gif", Width: 40, Height: 30}},
		{"picture with much before its size", UploadRequest{Type: "image/jpeg"}, farJPEG(t, 200<<10),
			parley.Attachment{Kind: parley.FilePhoto, Type: "image/jpeg", Width: 40, Height: 30}},
		{"a page that says it is a picture", UploadRequest{Name: "x.jpg", Type: "image/jpeg"}, headHTML,
			parley.Attachment{Kind: parley.FileDocument, Name: "x.jpg", Type: "text/html"}},
		{"voice", UploadRequest{Voice: yes, Type: "audio/ogg"}, headOGG, parley.Attachment{Kind: parley.FileVoice, Type: "audio/ogg"}},
		{"sound", UploadRequest{Type: "audio/ogg"}, headOGG, parley.Attachment{Kind: parley.FileAudio, Type: "audio/ogg"}},
		{"hostile name", UploadRequest{Name: "a\r\n\u202eb\x00.txt"}, "hello", parley.Attachment{Kind: parley.FileDocument, Name: "ab.txt", Type: "text/plain"}},
		{"one byte", UploadRequest{}, "x", parley.Attachment{Kind: parley.FileDocument, Type: "text/plain"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig()
			tt.q.Company, tt.q.Channel, tt.q.Conversation = 1, 2, 3
			got, err := r.Upload(t.Context(), tt.q, strings.NewReader(tt.bytes))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Company, tt.want.Channel, tt.want.Conversation, tt.want.ID = 1, 2, 3, 1000
			tt.want.State, tt.want.Size, tt.want.SHA256 = parley.AttachmentReady, int64(len(tt.bytes)), sumOf(tt.bytes)
			if d := cmp.Diff(tt.want, got, untimed); d != "" {
				t.Error(d)
			}
			row := r.file(t, got.ID)
			row.Token = ""
			if d := cmp.Diff(got, row); d != "" {
				t.Error("row:", d)
			}
			if string(r.blobs.bytes[got.Blob]) != tt.bytes || r.watcher.uploads["stored"] != 1 {
				t.Errorf("blob %q has %d bytes; observed %v", got.Blob, len(r.blobs.bytes[got.Blob]), r.watcher.uploads)
			}
			if line := r.log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "attachment_id=1000") || strings.Contains(line, ".txt") {
				t.Errorf("log: %s", line)
			}
		})
	}
}

// TestUploadAnnounced: what is announced as too large is not read.
func TestUploadAnnounced(t *testing.T) {
	t.Parallel()
	r := newRig()
	for _, tt := range []struct {
		atLeast int64
		kind    parley.Kind
		left    int
	}{{r.cfg.MaxSize, "", 0}, {r.cfg.MaxSize + 1, parley.KindInvalid, 5}} {
		file := strings.NewReader("hello")
		_, err := r.Upload(t.Context(), UploadRequest{Company: 1, Channel: 2, Conversation: 3, AtLeast: tt.atLeast}, file)
		if parley.KindOf(err) != tt.kind || file.Len() != tt.left {
			t.Errorf("%d bytes announced: %v, %d bytes not read", tt.atLeast, err, file.Len())
		}
	}
}

// TestUploadRefused: nothing is left of a file that was not taken.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	down := func(r *rig) { r.blobs.down = errPlain }
	rowsDown := func(r *rig) { r.rows.down = unavailable() }
	nothing := func(*rig) {}
	unsure := func() bool { t.Error("asked for voice before the end"); return false }
	for _, tt := range []struct {
		name    string
		with    func(*rig)
		r       io.Reader
		kind    parley.Kind
		message string
	}{
		{"empty", nothing, strings.NewReader(""), parley.KindInvalid, "file is empty"},
		{"too large", nothing, io.LimitReader(zeros{}, 64<<10+1), parley.KindInvalid, "file is larger than 64 KiB"},
		{"endless", nothing, zeros{}, parley.KindInvalid, "file is larger than 64 KiB"},
		{"broken", nothing, io.MultiReader(strings.NewReader("abc"), broke{}), parley.KindInvalid, "file broke off"},
		{"panics", nothing, panics{}, parley.KindInternal, "internal error"},
		{"refused by its reader", nothing, io.MultiReader(strings.NewReader("abc"), refuses{}), parley.KindThrottled, "slowly"},
		{"no blob store", down, strings.NewReader("abc"), parley.KindUnavailable, "files cannot be stored now"},
		{"no database", rowsDown, strings.NewReader("abc"), parley.KindUnavailable, "not now"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(func(c *Config) { c.MaxSize = 64 << 10 })
			tt.with(r)
			q := UploadRequest{Company: 1}
			if tt.name != "empty" && tt.name != "no database" {
				q.Voice = unsure
			}
			got, err := r.Upload(t.Context(), q, tt.r)
			if parley.KindOf(err) != tt.kind || parley.Reason(err) != tt.message || got != (parley.Attachment{}) {
				t.Errorf("got %+v, %v, want %s %q", got, err, tt.kind, tt.message)
			}
			if len(r.blobs.bytes) != 0 || len(r.rows.files) != 0 || r.watcher.uploads[string(tt.kind)] != 1 {
				t.Errorf("%d blobs, %d rows, observed %v", len(r.blobs.bytes), len(r.rows.files), r.watcher.uploads)
			}
		})
	}
}

type refuses struct{}

func (refuses) Read([]byte) (int, error) { return 0, parley.Errorf(parley.KindThrottled, "slowly") }

// TestUploadLimit: the limit in the message is the configured one.
func TestUploadLimit(t *testing.T) {
	t.Parallel()
	if n := newRig().cfg.MaxSize; n != 64<<20 {
		t.Errorf("the default is %d", n)
	}
	r := newRig(func(c *Config) { c.MaxSize = 10 })
	if _, err := r.Upload(t.Context(), UploadRequest{}, strings.NewReader("0123456789")); err != nil {
		t.Error(err)
	}
	_, err := r.Upload(t.Context(), UploadRequest{}, strings.NewReader("0123456789a"))
	if parley.Reason(err) != "file is larger than 10 bytes" {
		t.Error(err)
	}
}

// TestUploadGone: a caller that went away is told nothing wrong, and leaves nothing.
func TestUploadGone(t *testing.T) {
	t.Parallel()
	r := newRig()
	ctx, cancel := context.WithCancel(t.Context())
	r.blobs.hang = true
	cancel()
	if _, err := r.Upload(ctx, UploadRequest{}, strings.NewReader("abc")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFilesOpen(t *testing.T) {
	t.Parallel()
	r := newRig()
	f := NewFiles(r.rows, r.blobs)
	r.blobs.bytes["k"] = []byte("hello")
	ready := parley.Attachment{ID: 1, State: parley.AttachmentReady, Blob: "k", Size: 5}
	r.rows.files[1] = ready
	r.rows.files[2] = parley.Attachment{ID: 2, State: parley.AttachmentPending}
	r.rows.files[3] = parley.Attachment{ID: 3, State: parley.AttachmentFailed, Reason: "no luck"}
	for _, a := range []parley.Attachment{ready, {ID: 1}} {
		body, size, err := f.Open(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(body); string(b) != "hello" || size != 5 || err != nil || body.Close() != nil {
			t.Errorf("got %q of %d, %v", b, size, err)
		}
	}
	for _, tt := range []struct {
		a    parley.Attachment
		kind parley.Kind
	}{
		{parley.Attachment{ID: 2}, parley.KindUnavailable}, {parley.Attachment{ID: 3}, parley.KindNotFound},
		{parley.Attachment{ID: 4}, parley.KindNotFound}, {parley.Attachment{ID: 5, Blob: "gone"}, parley.KindNotFound},
		{parley.Attachment{ID: 6, Blob: "k", Size: 6}, parley.KindNotFound}, // damaged
	} {
		if _, _, err := f.Open(t.Context(), &tt.a); parley.KindOf(err) != tt.kind {
			t.Errorf("file %d: got %v, want %s", tt.a.ID, err, tt.kind)
		}
	}
	for _, down := range []error{errPlain, parley.Errorf(parley.KindInvalid, "no bucket"), unavailable()} {
		r.blobs.down = down
		if _, _, err := f.Open(t.Context(), &ready); parley.KindOf(err) != parley.KindUnavailable || !errors.Is(err, down) {
			t.Errorf("blob store says %v: got %v", down, err)
		}
	}
}

// TestKeys: keys are never used twice, and fit blob stores.
func TestKeys(t *testing.T) {
	t.Parallel()
	var keys []string
	for range 100 {
		keys = append(keys, newKey("17"))
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if !strings.HasPrefix(key, "17-") || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(key) < 20 || len(key) > 128 {
			t.Errorf("key %q", key)
		}
	}
	if len(slices.Compact(keys)) != 100 {
		t.Error("a key was made twice")
	}
}
