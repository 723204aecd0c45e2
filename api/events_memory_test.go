package api

import (
	"bufio"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// streamLimit is what an open stream may take, in bytes, this test's end included.
const streamLimit = 50_000

// TestStreamMemory opens many streams on a real server, and has each of them send
// an event. It runs alone, because it measures the memory of the process.
func TestStreamMemory(t *testing.T) {
	const streams = 1000
	g, _ := withEvents(t, openSQLite(t))
	n := g.tenant(t)
	ch := n.channel(t, "TG", "telegram")
	last := n.cursor(int64(len(n.logged(t))) + 2) // conversation/new, message/new
	before := inUse()
	var conns []net.Conn
	for range streams {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nX-Private-Api-Token: %s\r\n\r\n", n.fill(eventsPath), n.token)
	}
	awaitText(t, conns, "retry: 2000")
	idle := inUse() - before
	begun := time.Now()
	n.hear(t, ch, "ann", "1", strings.Repeat("x", 1000))
	awaitText(t, conns, `data: {"id":"`+last+`"`)
	took := time.Since(begun)
	awake := inUse() - before
	t.Logf("%d streams: %d bytes each while idle, %d after events to all, which took %v", streams, idle/streams, awake/streams, took)
	if max(idle, awake) > streamLimit*streams {
		t.Errorf("want at most %d each", streamLimit)
	}
}

// inUse returns the memory of heap and stacks, in bytes.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what the first one finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// awaitText reads from each connection until a line begins so.
func awaitText(t *testing.T, conns []net.Conn, begin string) {
	t.Helper()
	for _, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		lines := bufio.NewReader(conn)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, begin) {
				break
			}
		}
	}
}
