package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/parley-im/parley/attachment"
)

// readyTimeout bounds what a readiness check may take.
const readyTimeout = 2 * time.Second

// routes sends a request to the service that answers it. It does not use
// http.ServeMux, which would redirect the doubled slashes of some clients.
func (g *gateway) routes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if len(r.TransferEncoding) > 0 {
			// It may have had a length as well, which package http takes away: what a
			// proxy in front then takes for the next request may be this one's body.
			w.Header().Set("Connection", "close")
		}
		switch {
		case strings.HasPrefix(path, "/callbacks/"):
			g.inbox.ServeHTTP(w, r)
		case strings.HasPrefix(path, attachment.Prefix):
			g.files.ServeHTTP(w, r)
		case path == "/healthz":
			answer(w, http.StatusOK, map[string]any{"status": "ok", "version": version()})
		case path == "/readyz":
			g.readyz(w, r)
		case g.metrics.shared(path):
			g.metrics.ServeHTTP(w, r)
		case g.api.Serves(r):
			g.api.ServeHTTP(w, r)
		default:
			answer(w, http.StatusNotFound, map[string]any{"status": "errored", "errors": []string{"Not found: the API is at /p1/"}, "code": "not_found"})
		}
	})
}

// readyz tells whether requests can be taken: the database answers, and this node
// holds its lease. Migrations have run before there is a listener.
func (g *gateway) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	checks := map[string]string{"database": "ok", "lease": "ok"}
	status := http.StatusOK
	if err := g.db.Ping(ctx); err != nil {
		checks["database"], status = "not available", http.StatusServiceUnavailable
		g.log.Warn("not ready", "error", err)
	}
	if !g.lease.Held() {
		checks["lease"], status = "not held", http.StatusServiceUnavailable
	}
	if status != http.StatusOK {
		w.Header().Set("Retry-After", "1")
	}
	answer(w, status, checks)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}
