package fill

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestStride: a round meets everybody once.
func TestStride(t *testing.T) {
	t.Parallel()
	sizes := []int64{1000, 7919, 100_000}
	for n := int64(1); n < 200; n++ {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		stride, met := strideOf(n), map[int64]bool{}
		for place := range n {
			met[place*stride%n] = true
		}
		if int64(len(met)) != n {
			t.Errorf("%d conversations: stride %d meets %d", n, stride, len(met))
		}
	}
}

// TestTime: a history ends where it should, and is as long as its pace and
// retention want.
func TestTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		messages, conversations int64
		want                    time.Duration
	}{
		{1000, 100, 2 * 24 * time.Hour},
		{10_000_000, 100_000, 20 * 24 * time.Hour},
		{1_000_000, 100, 20 * 24 * time.Hour},
	} {
		h := newHistory(&Options{Messages: tt.messages, Conversations: tt.conversations}, later)
		if got := h.end.Sub(h.begin); got > tt.want || got < tt.want*99/100 || !h.end.Equal(later) {
			t.Errorf("%d messages in %d conversations: %v until %v", tt.messages, tt.conversations, got, h.end)
		}
	}
}

// TestHeard: a contact who writes all the time has the time of the last message
// written once a minute, as the store does it.
func TestHeard(t *testing.T) {
	t.Parallel()
	h := newHistory(&Options{Messages: 100_000, Conversations: 1}, later)
	h.channel = &parley.Channel{ID: 1}
	c, before, told := newChunk(), time.Time{}, 0
	for ; h.turn < 30_000; h.turn++ {
		h.take(c)
		if at := h.chats[0].heardAt; !at.Equal(before) {
			if at.Sub(before) < time.Hour || told > 0 && at.Sub(before) > time.Hour+time.Minute {
				t.Fatalf("%v after %v", at, before)
			}
			before, told = at, told+1
		}
	}
	if told < 100 {
		t.Errorf("told %d times", told)
	}
}

// TestRun: the command fills, tells how it goes and what came of it, and its token
// is good.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	var out, progress strings.Builder
	err := run(t.Context(), []string{"-data", dir, "-messages", "2000", "-token-file", file}, &out, &progress)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^company  \d+\nchannel  \d+\ntoken    in \S+\nrows     \d+\nsize     \d\.\d MB, \d+ bytes for each message\ntook     \S+\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("output: %q", out.String())
	}
	if !strings.Contains(progress.String(), "fill: 2000 of 2000 messages") {
		t.Errorf("progress: %q", progress.String())
	}
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.Open(t, store.Options{Path: filepath.Join(dir, "parley.db"), Keys: storetest.Keys(t, dir)})
	u, err := db.UserByToken(t.Context(), seal.HashToken(strings.TrimSpace(string(token))))
	if err != nil || u.Name != userName {
		t.Errorf("the token is of %+v, %v", u, err)
	}
	if err := run(t.Context(), []string{"-h"}, &out, &progress); err != nil || !strings.Contains(progress.String(), "-chat-base") {
		t.Errorf("help: %v, %q", err, progress.String())
	}
	for _, args := range [][]string{{"x"}, {"-messages", "0"}, {"-unknown"}} {
		if err := run(t.Context(), append([]string{"-data", t.TempDir()}, args...), &out, &progress); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

// TestProgress: what is left is guessed from the rate.
func TestProgress(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	p := newProgress(&strings.Builder{}, 1000, begun)
	p.count = 250
	if got := p.left(begun.Add(10 * time.Second)); got != 30*time.Second {
		t.Errorf("after 250 of 1000 in 10 s: %v left, want 30 s", got)
	}
}
