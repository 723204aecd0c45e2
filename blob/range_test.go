package blob_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/parley-im/parley/blob"
)

// TestRanges serves parts of a blob as the API does.
func TestRanges(t *testing.T) {
	t.Parallel()
	data := randomBytes(6, blob.PartSize+1000)
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		put(t, s, "k", data)
		for _, tt := range []struct {
			header string
			status int
			want   []byte
		}{
			{"", 200, data},
			{"bytes=0-", 206, data},
			{"bytes=0-0", 206, data[:1]},
			{"bytes=100-299", 206, data[100:300]},
			{"bytes=5242880-", 206, data[5242880:]},
			{"bytes=-7", 206, data[len(data)-7:]},
			{"bytes=99999999-", 416, nil},
		} {
			w := serve(t, s, tt.header)
			if w.Code != tt.status || (tt.want != nil && !bytes.Equal(w.Body.Bytes(), tt.want)) {
				t.Errorf("%q: status %d with %d bytes, want %d with %d", tt.header, w.Code, w.Body.Len(), tt.status, len(tt.want))
			}
		}
	})
}

func serve(t *testing.T, s blob.Store, header string) *httptest.ResponseRecorder {
	t.Helper()
	b, err := s.Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if header != "" {
		r.Header.Set("Range", header)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, b)
	return w
}

// seeks are moves in a blob of 1000 bytes, after each of which four are read. want
// is where they lead, -1 if they are refused.
var seeks = []struct {
	offset int64
	whence int
	want   int64
}{
	{10, io.SeekStart, 10}, {0, io.SeekCurrent, 14}, {-4, io.SeekEnd, 996}, {0, io.SeekCurrent, 1000}, {0, io.SeekStart, 0},
	{-5, io.SeekCurrent, -1}, {-1, io.SeekStart, -1}, {0, 9, -1}, {5000, io.SeekStart, 5000}, {-5000 + 500, io.SeekCurrent, 500},
}

func TestSeek(t *testing.T) {
	t.Parallel()
	data := randomBytes(7, 1000)
	each(t, func(t *testing.T, p place) {
		s := p.open(t)
		put(t, s, "k", data)
		r, err := s.Open(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range seeks {
			at, err := r.Seek(tt.offset, tt.whence)
			switch {
			case (err != nil) != (tt.want < 0), err == nil && at != tt.want:
				t.Errorf("seek %d, %d: at %d, %v; want %d", tt.offset, tt.whence, at, err, tt.want)
			case err == nil:
				wantFour(t, r, data, at)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("read after close: %v", err)
		}
		if err := r.Close(); err == nil {
			t.Error("closed twice")
		}
	})
}

// wantFour reads what is at a place, or the end.
func wantFour(t *testing.T, r io.Reader, data []byte, at int64) {
	t.Helper()
	four := make([]byte, 4)
	_, err := io.ReadFull(r, four)
	if at >= int64(len(data)) {
		if err != io.EOF {
			t.Errorf("read at %d: %v, want the end", at, err)
		}
		return
	}
	if err != nil || !bytes.Equal(four, data[at:at+4]) {
		t.Errorf("read at %d: %v, or other bytes", at, err)
	}
}
