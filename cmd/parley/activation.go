package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstInherited is the number of the first descriptor that a service manager
// passes. Source: sd_listen_fds(3), read 2026-11.
const firstInherited = 3

// inherited returns the listening socket that the service manager passed, or nil
// if it passed none. The variables that say so are unset: they are not meant for
// processes that this one starts. The socket outlives this process, so a
// connection made between two processes waits for the next one.
func inherited() (net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("unset %s: %w", name, err)
		}
	}
	n, err := passed(pid, count, os.Getpid())
	if err != nil || n == 0 {
		return nil, err
	}
	return adopt(firstInherited)
}

// passed returns how many sockets were passed to the process self: 0 or 1.
// Variables that name another process were inherited by accident.
func passed(pid, count string, self int) (int, error) {
	if pid == "" || count == "" {
		return 0, nil
	}
	if to, err := strconv.Atoi(pid); err != nil {
		return 0, fmt.Errorf("socket activation: LISTEN_PID=%s is not a number", pid)
	} else if to != self {
		return 0, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1 {
		return 0, fmt.Errorf("socket activation: LISTEN_FDS=%s, want one socket; one ListenStream= serves every address of its port", count)
	}
	return n, nil
}

// adopt makes a listener of an open descriptor, which it closes: the listener has
// its own, which processes started from here do not get.
func adopt(fd uintptr) (net.Listener, error) {
	f := os.NewFile(fd, "inherited socket")
	if f == nil {
		return nil, errors.New("socket activation: the descriptor is not open")
	}
	l, err := net.FileListener(f)
	if closing := f.Close(); err == nil && closing != nil {
		return nil, errors.Join(fmt.Errorf("socket activation: %w", closing), l.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("socket activation: %w", err)
	}
	return l, nil
}

// bind returns the inherited socket, else one of its own on the address.
func bind(address string) (net.Listener, error) {
	l, err := inherited()
	if err != nil || l != nil {
		return l, err
	}
	if l, err = net.Listen("tcp", address); err != nil {
		return nil, fmt.Errorf("listen: %w; choose another address with --listen", err)
	}
	return l, nil
}
