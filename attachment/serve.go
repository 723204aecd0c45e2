package attachment

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
)

// Prefix is what the paths of files begin with.
const Prefix = "/files/"

// The bounds of Retry-After.
const (
	comeBackMin = time.Second
	comeBackMax = 30 * time.Second
)

// shown are the types that a browser may show in place, as they are written in
// the answer. None of them can carry a script that runs.
var shown = map[string]string{
	"image/jpeg": "", "image/png": "", "image/gif": "", "image/webp": "", "image/avif": "", "image/bmp": "",
	"image/heic": "", "image/heif": "", "image/tiff": "",
	"audio/mpeg": "", "audio/mp4": "", "audio/x-m4a": "", "audio/aac": "", "audio/ogg": "", "audio/opus": "", "audio/webm": "",
	"audio/wav": "", "audio/x-wav": "", "audio/flac": "", "audio/amr": "",
	"video/mp4": "", "video/webm": "", "video/ogg": "", "video/quicktime": "", "video/3gpp": "", "video/x-m4v": "",
	"application/pdf": "", typeText: typeText + "; charset=utf-8",
}

// A refusal is an answer without a file.
type refusal struct {
	status int
	code   string
	text   string
	wait   time.Duration // 0 without Retry-After
}

var (
	refuseMethod  = &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed", 0}
	refuseUnknown = &refusal{http.StatusNotFound, "not_found", "File not found", 0}
	refuseBroken  = &refusal{http.StatusInternalServerError, "internal_error", "Internal Server Error", 0}
	refuseRange   = &refusal{http.StatusRequestedRangeNotSatisfiable, "range_not_satisfiable", "There is no such part of the file", 0}
)

// ServeHTTP answers GET and HEAD of a file's address: 404 unless id and token fit,
// 503 with Retry-After until the bytes are here, 410 with the reason if they never
// will be. Parts may be asked for.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w, head: r.Method == http.MethodHead}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if no := s.serve(a, r); no != nil {
		a.refuse(no)
	}
	s.cfg.Observe.Served(a.status)
}

func (s *Service) serve(w *answer, r *http.Request) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return refuseMethod
	}
	file, no := s.find(r)
	if no != nil {
		return no
	}
	body, err := s.cfg.Blobs.Open(r.Context(), file.Blob)
	if err != nil {
		return s.unread(r, &file, err)
	}
	defer body.Close()
	if body.Size() != file.Size {
		return s.unread(r, &file, errDamaged)
	}
	describe(w.Header(), &file)
	w.patience = s.cfg.Stall
	http.ServeContent(w, r, "", time.Time{}, body)
	w.endure(time.Time{})
	return nil
}

// find returns the file of the address, if its bytes are here.
func (s *Service) find(r *http.Request) (parley.Attachment, *refusal) {
	id, token, ok := parley.ParseFilePath(strings.TrimPrefix(r.URL.Path, Prefix))
	if !ok {
		return parley.Attachment{}, refuseUnknown
	}
	a, err := s.cfg.Store.File(r.Context(), id)
	switch kind := parley.KindOf(err); {
	case kind == parley.KindNotFound:
		return a, refuseUnknown
	case err != nil:
		return a, s.unread(r, &parley.Attachment{ID: id}, err)
	case a.Token == "" || subtle.ConstantTimeCompare([]byte(a.Token), []byte(token)) == 0:
		return a, refuseUnknown
	case a.State == parley.AttachmentPending:
		return a, later("The file has not been fetched yet", a.NextAt.Sub(s.cfg.Now()))
	case a.State == parley.AttachmentFailed:
		return a, &refusal{http.StatusGone, "gone", "The file " + gone(&a), 0}
	}
	return a, nil
}

// unread says that a row or bytes that should be here could not be read.
func (s *Service) unread(r *http.Request, a *parley.Attachment, err error) *refusal {
	no, at := refuseBroken, slog.LevelError
	if kind := parley.KindOf(err); kind == parley.KindUnavailable || r.Context().Err() != nil {
		no, at = later("Service Unavailable", retryAfter(err)), slog.LevelWarn
	}
	s.cfg.Log.LogAttrs(r.Context(), at, "file not served", slog.Int64("attachment_id", int64(a.ID)),
		slog.Int64("company_id", int64(a.Company)), slog.String("kind", string(parley.KindOf(err))), slog.Any("err", err))
	return no
}

func later(text string, wait time.Duration) *refusal {
	return &refusal{http.StatusServiceUnavailable, "unavailable", text, min(max(wait, comeBackMin), comeBackMax)}
}

// describe writes the header of a file. An address has the same bytes for ever.
func describe(h http.Header, a *parley.Attachment) {
	contentType, kind := typeUnknown, "attachment"
	if written, ok := shown[baseType(a.Type)]; ok {
		contentType, kind = baseType(a.Type), "inline"
		if written != "" {
			contentType = written
		}
	}
	sum := sha256.Sum256([]byte(a.Blob))
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", disposition(kind, a.FileName()))
	h.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
}

// An answer remembers its status, and gives errors of http.ServeContent the form
// of all others.
type answer struct {
	http.ResponseWriter
	head   bool
	status int
	silent bool // the body is ours, not that of who writes it

	patience time.Duration // that a client may take for a part of the body; 0 is for ever
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader sends the header.
func (a *answer) WriteHeader(status int) {
	switch {
	case a.status != 0:
	case status == http.StatusRequestedRangeNotSatisfiable:
		a.refuse(refuseRange)
		a.silent = true
	default:
		a.status = status
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write sends a part of the body.
func (a *answer) Write(p []byte) (int, error) {
	if a.silent {
		return len(p), nil
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.patience > 0 {
		a.endure(time.Now().Add(a.patience))
	}
	return a.ResponseWriter.Write(p)
}

// endure ends the connection if what is written has not left by then, so that a
// client that stops reading does not keep the file open. The zero time is never.
func (a *answer) endure(until time.Time) {
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(until) // tests' writers have none
}

// refuse sends a refusal in the form of the API's errors.
func (a *answer) refuse(no *refusal) {
	var body bytes.Buffer
	_ = json.NewEncoder(&body).Encode(struct {
		Status string   `json:"status"`
		Errors []string `json:"errors"`
		Code   string   `json:"code"`
	}{"errored", []string{no.text}, no.code}) // strings cannot fail
	h := a.Header()
	for _, of := range []string{"Content-Disposition", "ETag", "Content-Encoding"} {
		h.Del(of)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	if no.wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(no.wait.Seconds()))))
	}
	a.status = no.status
	a.ResponseWriter.WriteHeader(no.status)
	if !a.head {
		_, _ = io.Copy(a.ResponseWriter, &body) // a client that has gone needs no answer
	}
}
