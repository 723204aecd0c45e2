package load

import (
	"fmt"
	"net/http"
	"time"
)

// tally is what one connection counted of one part.
type tally struct {
	hist                              Hist
	requests, errors, non2xx, refused int64
	accept                            int64 // the warm-up included
	bytes                             int64
	status                            map[int]int64
	last                              time.Time
	err                               error // the first
}

// count counts one answer; measured tells whether the warm-up is over.
func (t *tally) count(a answer, err error, began, done time.Time, measured bool) {
	ok := err == nil && a.status/100 == 2
	if ok {
		t.accept++
	} else if t.err == nil {
		t.err = failure(a, err)
	}
	if !measured {
		return
	}
	t.requests++
	t.last = done
	if err == nil {
		t.bytes += a.bytes
		if t.status == nil {
			t.status = map[int]int64{}
		}
		t.status[a.status]++
	}
	switch {
	case err != nil:
		t.errors++
	case refused(a):
		t.refused++
		return // quick refusals would flatter the latency
	case !ok:
		t.non2xx++
	}
	t.hist.Record(done.Sub(began))
}

// refused tells a gateway that asks for less from one that fails.
func refused(a answer) bool {
	return a.retryAfter && (a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable)
}

func failure(a answer, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("status %d", a.status)
}

func (t *tally) add(o *tally) {
	t.hist.Merge(&o.hist)
	t.requests += o.requests
	t.errors += o.errors
	t.non2xx += o.non2xx
	t.refused += o.refused
	t.accept += o.accept
	t.bytes += o.bytes
	for status, n := range o.status {
		if t.status == nil {
			t.status = map[int]int64{}
		}
		t.status[status] += n
	}
	if o.last.After(t.last) {
		t.last = o.last
	}
	if t.err == nil {
		t.err = o.err
	}
}

// sent is the number of measured requests of all parts.
func sent(parts []tally) (n int64) {
	for i := range parts {
		n += parts[i].requests
	}
	return n
}
