package connectortest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

// A Fetching says how the files of messages are had. The cases use the documents
// of Suite.Says.
type Fetching struct {
	// Methods are what the simulator's faults call the requests of a fetch, in
	// order; the last one is the download itself.
	Methods []string
	// TooLarge are parameters for saying a document, by which it is larger than the
	// provider gives out; nil if there is no such limit.
	TooLarge map[string]string
	// Away makes a file unavailable for one attempt; nil if that does not happen.
	Away *Play
	// Unknown is a source as the provider makes them, which names no file.
	Unknown string
	// Divert changes an answer of the provider (but for the file itself) so that
	// the file seems to lie at another place, and returns the answer as it is if it
	// says nothing of that. Nil if the provider never says where files lie.
	Divert func(path string, answer []byte, place string) []byte
	// Under returns the paths below which a diverted connector may still look: those of
	// files and of its other calls.
	Under func(ch *parley.Channel) []string
}

func (s Suite) fetchCases() []check {
	if s.Fetch == nil {
		return nil
	}
	return []check{
		{"another client", true, fetchElsewhere},
		{"too large", s.Fetch.TooLarge != nil, fetchTooLarge},
		{"gone", true, fetchGone},
		{"away", s.Fetch.Away != nil, fetchAway},
		{"faults", true, fetchFaults},
		{"refused", true, fetchRefused},
		{"cut", true, fetchCut},
		{"other length", true, fetchLengths},
		{"endless", true, fetchEndless},
		{"slow", true, fetchSlow},
		{"stopped", true, fetchStopped},
		{"hostile place", s.Fetch.Divert != nil, fetchDiverted},
		{"revoked", s.Can.Verify, fetchRevoked},
	}
}

func (f *Fetching) download() string { return f.Methods[len(f.Methods)-1] }

func attachmentOf(f connector.File) *parley.Attachment {
	return &parley.Attachment{ID: 1, Company: 1, Channel: 1, Conversation: 1, Message: 1, Kind: f.Kind, Name: f.Name,
		Type: f.Type, Size: f.Size, External: f.ID, Source: f.Source, State: parley.AttachmentPending}
}

func (w *world) fetch(ctx context.Context, f connector.File) (connector.Fetched, error) {
	w.Helper()
	c, ok := w.client.(connector.Fetcher)
	if !ok {
		w.Fatal("the client is no connector.Fetcher")
	}
	got, err := c.Fetch(ctx, attachmentOf(f))
	if err == nil && got.Body == nil {
		w.Fatal("Fetch gave neither a body nor an error")
	}
	return got, w.seen(err)
}

func (w *world) fetched(f connector.File) connector.Fetched {
	w.Helper()
	got, err := w.fetch(w.ctx, f)
	w.ok("Fetch", err)
	return got
}

// received is a document that Ann has sent.
func (w *world) received() (connector.File, sample) {
	w.Helper()
	heard := w.listen()
	d, file := w.says(w.saying("document"), "Ann", 1)
	f := w.fileOf(w.about(heard, d, "message"))
	w.hush()
	return f, file
}

// notFetched tries to fetch what cannot be had.
func (w *world) notFetched(what string, f connector.File, kinds ...parley.Kind) {
	w.Helper()
	got, err := w.fetch(w.ctx, f)
	if err == nil {
		_ = got.Body.Close()
	}
	w.has("Fetch "+what, err, kinds...)
}

// fetchElsewhere: a source is worth the same to another node.
func fetchElsewhere(w *world) {
	f, file := w.received()
	w.client = w.open(w.channel)
	w.fetches(f, file)
}

// fetchTooLarge: it is known from the start, or when it is asked for.
func fetchTooLarge(w *world) {
	heard, s := w.listen(), w.saying("document")
	s.Play.Params = merged(s.Play.Params, w.suite.Fetch.TooLarge)
	d, _ := w.says(s, "Ann", 1)
	f := w.fileOf(w.about(heard, d, "message"))
	if f.Refused == "" {
		w.notFetched("a file that is too large", f, final...)
	}
}

// fetchGone: what is not there is an error of the file and of nothing else.
func fetchGone(w *world) {
	f, file := w.received()
	for _, source := range []string{w.suite.Fetch.Unknown, "", "no such file", "../../x", "\x00", "?a=b#c", strings.Repeat("x", 100_000)} {
		lost := f
		lost.Source = source
		w.notFetched("from source "+strconv.Quote(source[:min(len(source), 20)]), lost, append(later, final...)...)
	}
	w.fetches(f, file)
}

func fetchAway(w *world) {
	f, file := w.received()
	w.play(*w.suite.Fetch.Away, nil)
	w.notFetched("a file that is not there just now", f, later...)
	w.fetches(f, file)
}

// fetchFaults: what goes wrong with any request of a fetch may work later.
func fetchFaults(w *world) {
	f, file := w.received()
	for _, method := range w.suite.Fetch.Methods {
		for _, kind := range []simulator.FaultKind{simulator.FaultStatus, simulator.FaultHTML, simulator.FaultThrottle,
			simulator.FaultCutBefore, simulator.FaultCutAfter} {
			// One cut connection would be no failure: a GET may be made again.
			w.fault(kind, "method", method, "retry_after", "7", "times", "5")
			_, err := w.fetch(w.ctx, f)
			w.control(http.MethodDelete, "faults", nil)
			w.has("Fetch with "+string(kind)+" at "+method, err, later...)
			if kind == simulator.FaultThrottle && retryAfter(err) != 7*time.Second {
				w.Errorf("Fetch, throttled at %s: got a wait of %v, want 7s", method, retryAfter(err))
			}
			w.fetches(f, file)
		}
	}
}

// fetchRefused: a refusal of the download says something of the file, and
// nothing of the channel.
func fetchRefused(w *world) {
	f, file := w.received()
	for _, status := range []int{400, 401, 403, 404, 410} {
		w.fault(simulator.FaultStatus, "method", w.suite.Fetch.download(), "status", strconv.Itoa(status), "times", "10")
		w.notFetched("with status "+strconv.Itoa(status), f, append(later, final...)...)
		w.control(http.MethodDelete, "faults", nil)
	}
	w.fetches(f, file)
}

// fetchCut: a file that breaks off is not taken for a whole one.
func fetchCut(w *world) {
	f, file := w.received()
	w.fault(simulator.FaultCutBody, "method", w.suite.Fetch.download())
	got := w.fetched(f)
	data, err := io.ReadAll(got.Body)
	w.seen(err)
	if err == nil && int64(len(data)) >= got.Size {
		w.Errorf("read %d of %d bytes of a file that was cut, %d announced, and no error", len(data), len(file.data), got.Size)
	}
	w.seen(got.Body.Close())
	w.fetches(f, file)
}

// fetchLengths: a body that is shorter or longer than the message said is passed
// on as it is, and announced as it is.
func fetchLengths(w *world) {
	f, file := w.received()
	for kind, want := range map[simulator.FaultKind]string{
		simulator.FaultShort: string(file.data[:len(file.data)/2]), simulator.FaultLong: string(file.data) + string(file.data),
	} {
		w.fault(kind, "method", w.suite.Fetch.download())
		got := w.fetched(f)
		data, err := io.ReadAll(got.Body)
		w.seen(err)
		w.seen(got.Body.Close())
		if err == nil && (string(data) != want || got.Size != 0 && got.Size != int64(len(data))) {
			w.Errorf("%s: read %d bytes, %d announced, want the %d that the provider gave", kind, len(data), got.Size, len(want))
		}
	}
	w.fetches(f, file)
}

// fetchEndless: the reader decides when it is enough.
func fetchEndless(w *world) {
	f, file := w.received()
	w.fault(simulator.FaultEndless, "method", w.suite.Fetch.download())
	got := w.fetched(f)
	n, err := io.CopyN(io.Discard, got.Body, int64(4*len(file.data)))
	w.seen(err)
	start := time.Now()
	w.seen(got.Body.Close())
	if took := time.Since(start); took > soon || n < int64(len(file.data)) {
		w.Errorf("read %d bytes of an endless file and closed it within %v, want at least %d and %v", n, took, len(file.data), soon)
	}
	w.fetches(f, file)
}

func fetchSlow(w *world) {
	f, file := w.received()
	w.fault(simulator.FaultTrickle, "method", w.suite.Fetch.download(), "delay_ms", "100", "times", "3")
	w.fetches(f, file)
}

// fetchStopped ends a fetch at each of its requests, and in the middle of the
// body: the error shows whose fault it is.
func fetchStopped(w *world) {
	f, file := w.received()
	for _, method := range w.suite.Fetch.Methods {
		w.fault(simulator.FaultSlow, "method", method, "delay_ms", "600000")
		ctx, cancel := context.WithCancel(w.ctx)
		before, failed := w.calls.Total(), make(chan error, 1)
		go func() {
			_, err := w.fetch(ctx, f)
			failed <- err
		}()
		await(w, "request", w.calls, before+uint64(w.turn(method)))
		cancel()
		if err := <-failed; !parley.Interrupted(err) {
			w.Errorf("Fetch, stopped at %s: got %v, want an error that shows context.Canceled", method, err)
		}
	}
	w.stopsBody(f)
	w.fetches(f, file)
}

func (w *world) stopsBody(f connector.File) {
	w.Helper()
	w.fault(simulator.FaultEndless, "method", w.suite.Fetch.download())
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	got, err := w.fetch(ctx, f)
	w.ok("Fetch", err)
	_, err = io.CopyN(io.Discard, got.Body, 1000)
	w.ok("read the file", err)
	cancel()
	if _, err = io.Copy(io.Discard, got.Body); !errors.Is(w.seen(err), context.Canceled) {
		w.Errorf("reading a file, stopped: got %v, want an error that shows context.Canceled", err)
	}
	w.seen(got.Body.Close())
}

// turn is which request of a fetch a method is, from 0.
func (w *world) turn(method string) int {
	for i, m := range w.suite.Fetch.Methods {
		if m == method {
			return i
		}
	}
	return 0
}

// fetchDiverted: wherever the provider, or somebody in its place, says that a
// file is, the connector looks nowhere but at the provider, in the place for
// files, and never on its own disk.
func fetchDiverted(w *world) {
	f, file := w.received()
	strangers := simulator.NewRing[string](100)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		strangers.Append(func(uint64) string { return r.URL.String() })
	}))
	w.Cleanup(other.Close)
	own := filepath.Join(w.TempDir(), "secret.txt")
	w.ok("write a file", os.WriteFile(own, []byte("of this machine"), 0o600))
	host := strings.TrimPrefix(other.URL, "http://")
	for _, place := range []string{
		other.URL + "/x", "//" + host + "/x", "/\\" + host + "/x", "@" + host + "/x", "../../../sim/" + w.suite.Provider.Spec().Name + "/log",
		"a/../../../x", "..%2f..%2f..%2fx", "./../x", `..\..\x`, own, "file://" + own, "/etc/passwd", "", "/", ".", "..", "x?y=1", "x#y", "x y",
		"x\r\nHost: " + host, "x\x00y", strings.Repeat("x/", 50_000), "%", "%zz", "\u202e",
	} {
		w.diverted(f, place)
	}
	if got := strangers.After(0, 100, nil); len(got) > 0 {
		w.Errorf("the connector went to another server: %q", got)
	}
	w.rewrite.Store(nil)
	w.fetches(f, file)
}

// diverted fetches from a place; what is asked for must lie under the paths for files.
func (w *world) diverted(f connector.File, place string) {
	w.Helper()
	change := func(path string, answer []byte) []byte { return w.suite.Fetch.Divert(path, answer, place) }
	w.rewrite.Store(&change)
	before := w.targets.Total()
	got, err := w.fetch(w.ctx, f)
	w.diverts(place, got, err)
	for _, target := range w.targets.After(before, 100, nil) {
		if !under(target, w.suite.Fetch.Under(w.channel)) {
			w.Errorf("sent to %.60q, the connector asked for %.80q", place, target)
		}
	}
}

func (w *world) diverts(place string, got connector.Fetched, err error) {
	w.Helper()
	if err != nil {
		w.has("Fetch from "+strconv.Quote(place[:min(len(place), 40)]), err, append(later, final...)...)
		return
	}
	data, _ := io.ReadAll(io.LimitReader(got.Body, 1<<20))
	_ = got.Body.Close()
	if strings.Contains(string(data), "of this machine") || strings.Contains(string(data), "root:") {
		w.Errorf("sent to %.60q, the connector read a file of its own machine", place)
	}
}

// under reports whether a request's target lies below one of the paths, and stays
// there once a server has read it.
func under(target string, paths []string) bool {
	path, query, _ := strings.Cut(target, "?")
	for _, p := range paths {
		rest, ok := strings.CutPrefix(path, p)
		plain, err := url.PathUnescape(rest)
		if ok && err == nil && query == "" && !climbs(plain) {
			return true
		}
	}
	return false
}

func climbs(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(name string) bool { return name == "." || name == ".." })
}

func fetchRevoked(w *world) {
	f, _ := w.received()
	w.post("revoke", values("account", w.account))
	w.notFetched("after the credentials were revoked", f, parley.KindLoggedOut)
}
