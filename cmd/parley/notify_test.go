package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSendState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, socket := range map[string]string{"file": filepath.Join(dir, "notify"), "abstract": "@parley-test-" + filepath.Base(filepath.Dir(dir))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			if err := sendState(socket, notifyReady); err != nil {
				t.Fatal(err)
			}
			if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 100)
			n, err := manager.Read(got)
			if err != nil || string(got[:n]) != "READY=1" {
				t.Errorf("told %q, %v", got[:n], err)
			}
		})
	}
	if err := sendState("", notifyReady); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	if err := sendState(filepath.Join(dir, "nobody"), notifyReady); err == nil || !strings.Contains(err.Error(), "NOTIFY_SOCKET") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestNotifyFails: a gateway whose service manager has gone serves all the same.
func TestNotifyFails(t *testing.T) {
	t.Parallel()
	log := newJournal()
	c := defaultConfig()
	c.getenv = func(string) string { return filepath.Join(t.TempDir(), "nobody") }
	g := &gateway{config: c, log: (&logging{LogFormat: "text", LogLevel: "info"}).logger(log)}
	g.notify(notifyReady)
	if got := log.String(); !strings.Contains(got, "service manager not told") {
		t.Errorf("it logged %q", got)
	}
}
