package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// States that the service manager is told. Source: sd_notify(3), read 2026-11.
const (
	notifyReady    = "READY=1"
	notifyStopping = "STOPPING=1"
)

// notifyTimeout bounds how long a service manager that does not read can hold us.
const notifyTimeout = time.Second

// notify tells the service manager a state. Without NOTIFY_SOCKET nobody asked.
// A failure is logged: the gateway serves all the same.
func (g *gateway) notify(state string) {
	getenv := g.config.getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	if err := sendState(getenv("NOTIFY_SOCKET"), state); err != nil {
		g.log.Warn("service manager not told", "state", state, "error", err)
	}
}

// sendState sends one datagram; a socket that begins with @ is an abstract one.
func sendState(socket, state string) error {
	if socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	err = c.SetWriteDeadline(time.Now().Add(notifyTimeout))
	if err == nil {
		_, err = c.Write([]byte(state))
	}
	return errors.Join(err, c.Close())
}
