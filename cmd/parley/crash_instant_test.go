package main_test

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// A crashPoint is a sort of instant at which the gateway dies.
type crashPoint int

const (
	crashAnytime         crashPoint = iota
	crashStarting                   // without waiting until it is ready
	crashSendArrived                // the messenger has the request
	crashSendTaken                  // it has done what was asked, and has not answered
	crashWebhookArrived             // the receiver has the request
	crashWebhookAnswered            // it has answered
	crashPostAnswered               // a client has the answer to its message
	crashCallbackTaken              // the messenger has the answer to its callback
	crashPollAsked                  // the messenger is asked for updates, and so told which are stored
	crashSendHalf                   // the messenger has half of the request with a file
	crashDownloadHalf               // it has answered half of a file
	crashUploadAnswered             // a client has the answer to its file
)

// points are the instants that the case can have.
func (w *crashWorld) points() []crashPoint {
	last := crashCallbackTaken
	if w.rules.polled {
		last = crashPollAsked
	}
	points := []crashPoint{crashAnytime, crashAnytime, crashStarting, crashSendArrived, crashSendTaken, crashWebhookArrived,
		crashWebhookAnswered, crashPostAnswered, last, last}
	if w.rules.files {
		points = append(points, crashSendHalf, crashSendHalf, crashDownloadHalf, crashDownloadHalf, crashUploadAnswered)
	}
	return points
}

// A crashInstant kills at a chosen instant. Whoever passes it waits until the
// gateway is dead, so that nothing that it would have done or said next happens.
type crashInstant struct {
	kill func()

	mu    sync.Mutex
	point crashPoint
	left  int // passes until then; 0 is disarmed
}

func (i *crashInstant) arm(point crashPoint, passes int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.point, i.left = point, passes
}

func (i *crashInstant) disarm() { i.arm(crashAnytime, 0) }

// pass tells that something has come to a point.
func (i *crashInstant) pass(point crashPoint) {
	i.mu.Lock()
	now := false
	if i.left > 0 && i.point == point {
		i.left--
		now = i.left == 0
	}
	i.mu.Unlock()
	if now {
		i.kill()
	}
}

// A crashCount counts work: under way, or hit by kills.
type crashCount struct{ sends, webhooks, posts, callbacks, downloads int64 }

func (c crashCount) total() int64 {
	return c.sends + c.webhooks + c.posts + c.callbacks + c.downloads
}

func (c *crashCount) add(d crashCount) {
	c.sends += d.sends
	c.webhooks += d.webhooks
	c.posts += d.posts
	c.callbacks += d.callbacks
	c.downloads += d.downloads
}

// String is for the log.
func (c crashCount) String() string {
	return fmt.Sprintf("%d requests at the messenger, %d webhooks at the receiver, %d requests of clients, %d callbacks, %d downloads",
		c.sends, c.webhooks, c.posts, c.callbacks, c.downloads)
}

// A crashFlight counts what is under way now.
type crashFlight struct{ sends, webhooks, posts, callbacks, downloads atomic.Int64 }

func (f *crashFlight) now() crashCount {
	return crashCount{f.sends.Load(), f.webhooks.Load(), f.posts.Load(), f.callbacks.Load(), f.downloads.Load()}
}

// under counts what is under way until the returned function is called.
func under(n *atomic.Int64) (over func()) {
	n.Add(1)
	return func() { n.Add(-1) }
}
