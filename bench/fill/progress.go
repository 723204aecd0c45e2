package fill

import (
	"fmt"
	"io"
	"time"
)

// sayEvery is how often progress is told.
const sayEvery = 2 * time.Second

// A progress tells how far the fill is.
type progress struct {
	w     io.Writer
	all   int64 // messages
	begun time.Time
	said  time.Time
	count int64 // messages so far
	rows  int64
}

func newProgress(w io.Writer, all int64, begun time.Time) *progress {
	return &progress{w: w, all: all, begun: begun, said: begun}
}

// done counts messages, and tells of them now and then.
func (p *progress) done(messages int64) {
	p.count += messages
	if now := time.Now(); now.Sub(p.said) >= sayEvery {
		p.said = now
		p.say(p.left(now).Round(time.Second).String() + " left")
	}
}

// left guesses from the rate so far.
func (p *progress) left(now time.Time) time.Duration {
	return time.Duration(float64(now.Sub(p.begun)) / float64(p.count) * float64(p.all-p.count))
}

func (p *progress) say(what string) {
	rate := float64(p.count) / time.Since(p.begun).Seconds()
	fmt.Fprintf(p.w, "fill: %d of %d messages, %d rows, %.0f messages/s, %s\n", p.count, p.all, p.rows, rate, what)
}
