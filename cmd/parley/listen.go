package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Limits of the HTTP server. Bodies are bounded where they are read.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 2 * time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// A listener is the address that requests come to, also named in a file in the
// data directory.
type listener struct {
	net.Listener
	file string
}

// listen takes the address, or the socket that was inherited. The file that an
// earlier gateway may have left is removed: the caller holds the lock.
func listen(address, dir string) (*listener, error) {
	file := filepath.Join(dir, "listen")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the former address: %w", err)
	}
	l, err := bind(address)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: l, file: file}, nil
}

func (l *listener) address() string { return l.Addr().String() }

// announce writes the address where scripts find it.
func (l *listener) announce() error {
	if err := os.WriteFile(l.file, []byte(l.address()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the address: %w", err)
	}
	return nil
}

func (l *listener) withdraw() {
	if err := os.Remove(l.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return // a stale file is removed at the next start
	}
}

func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader}
}
