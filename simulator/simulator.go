package simulator

import (
	"net/http"
	"strings"
)

// A Simulator stands in for one provider. As an http.Handler it serves the
// provider's own API, mounted at the root of its own listener. All methods are
// safe for concurrent use.
type Simulator interface {
	http.Handler

	// Provider returns the provider's name, such as "telegram".
	Provider() string

	// Control serves the control verbs at its root: POST /say, GET /sent and so on.
	Control() http.Handler

	// Close ends waiting requests and callbacks and returns when every goroutine
	// of the simulator has ended. It may be called twice.
	Close() error
}

// prefix is where control lives; no simulated provider has paths under it.
const prefix = "/sim/"

// Mux serves the control APIs of sims, each at /sim/{provider}/.
func Mux(sims ...Simulator) http.Handler {
	mux := http.NewServeMux()
	names := make([]string, 0, len(sims))
	for _, s := range sims {
		at := prefix + s.Provider()
		mux.Handle(at+"/", http.StripPrefix(at, s.Control()))
		names = append(names, s.Provider())
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		WriteError(w, notFound("no such simulator; use /sim/{provider}/{verb} with one of: "+strings.Join(names, ", ")))
	})
	return mux
}

// Handler serves one simulator on one listener: control under /sim/, the
// provider's API everywhere else.
func Handler(s Simulator) http.Handler {
	control := Mux(s)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			control.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
}
