package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

// moved stops the gateway and goes on with a restored backup in a new directory,
// which has the keyset; the gateway is not started. It returns what the restore
// printed.
func (s *stage) moved(backup string) string {
	s.t.Helper()
	s.stop()
	old := s.place
	s.place = place{Data: s.t.TempDir()}
	keys, err := os.ReadFile(old.keyset())
	if err == nil {
		err = os.WriteFile(s.place.keyset(), keys, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.cli("restore", backup)
}

// heldStage makes a backup while a job waits for another attempt, because the
// messenger has refused the first. It returns the conversation, the job and the
// gateway's restored successor, started.
func heldStage(t *testing.T) (s *stage, conversation, job int64) {
	t.Helper()
	s = newStage(t, "", nil)
	conversation = s.meet("ann", "hello")
	s.fault(simulator.Fault{Kind: simulator.FaultThrottle, Method: "sendMessage", Times: -1, RetryAfter: 6})
	job = s.post(conversation, "open in the backup")
	poll(t, "the job waits after an attempt", func() bool {
		open, err := s.gateway.db.OpenWork(t.Context(), parley.ChannelID(s.channel), 10)
		return err == nil && len(open) == 1 && open[0].Job.State == parley.JobReady && open[0].Job.ReadyAt.After(time.Now().Add(2*time.Second))
	})
	s.crm.answer(func(_ http.ResponseWriter, h hook) int {
		if h.Data.Message == "not yet taken" {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	s.say("ann", "not yet taken")
	s.crm.awaitTries("not yet taken", 1)
	target := filepath.Join(t.TempDir(), "backup.db")
	out := s.cli("backup", target)
	if !strings.Contains(out, target) || !strings.Contains(out, s.place.keyset()) {
		t.Errorf("backup printed %q", out)
	}
	epoch := s.gateway.db.Epoch()
	out = s.moved(target)
	if !strings.Contains(out, "held: 1 jobs") {
		t.Errorf("restore printed %q", out)
	}
	s.tg.Faults().Clear()
	behind := s.logs.lines.Total()
	s.crm.answer(nil)
	s.start()
	if got := s.gateway.db.Epoch(); got <= epoch || !strings.Contains(out, "epoch "+strconv.FormatInt(got, 10)) {
		t.Errorf("epoch %d after %d; restore printed %q", got, epoch, out)
	}
	s.logs.await(t, behind, "jobs are held")
	return s, conversation, job
}

// untaken waits for the event that was not delivered when the backup was made.
// Those before it may come again.
func (s *stage) untaken() hook {
	s.t.Helper()
	h := await(s.t, "the event", s.crm.taken, s.crm.talked, func(h hook) bool { return h.Data.Message == "not yet taken" })
	s.crm.talked = h.n
	return h
}

// TestRestoreAndRelease: after a restore the events that were not delivered are
// delivered, nothing is sent until the operator says so, and then in order.
func TestRestoreAndRelease(t *testing.T) {
	t.Parallel()
	s, ann, job := heldStage(t)
	if h := s.untaken(); !strings.Contains(h.id, strconv.FormatInt(s.gateway.db.Epoch(), 10)) {
		t.Errorf("not an event of the new epoch: %+v", h)
	}
	later := s.post(ann, "posted during the hold")
	s.say("ann", "received during the hold")
	if h := s.crm.next("message/new"); h.Data.Message != "received during the hold" {
		t.Errorf("delivered next: %+v", h)
	}
	if later <= job {
		t.Errorf("job %d after %d", later, job)
	}
	for _, id := range []int64{job, later} {
		if got := s.api.must("GET", s.path("/channels/%d/jobs/%d", s.channel, id)); got.State == "delivered" || got.State == "not_delivered" {
			t.Errorf("job %d during the hold: %+v", id, got)
		}
	}
	if got := s.tg.texts(annID); len(got) != 0 {
		t.Errorf("sent during the hold: %q", got)
	}
	if got := s.cli("jobs", "release"); got != "released 1\n" {
		t.Errorf("release: %q", got)
	}
	s.delivered(job, "open in the backup")
	s.delivered(later, "posted during the hold")
	if got := s.tg.texts(annID); !slices.Equal(got, []string{"open in the backup", "posted during the hold"}) {
		t.Errorf("at the messenger: %q", got)
	}
	if got := refused(t, s.place, "jobs", "release"); !strings.Contains(got, "no jobs are held") {
		t.Errorf("release again: %s", got)
	}
}

// TestRestoreAndFail: held jobs that the operator gives up end with an event,
// and what was posted since is sent.
func TestRestoreAndFail(t *testing.T) {
	t.Parallel()
	s, ann, job := heldStage(t)
	s.untaken()
	later := s.post(ann, "posted during the hold")
	if got := s.cli("jobs", "fail"); got != "ended 1\n" {
		t.Errorf("fail: %q", got)
	}
	if got := s.failed(job); got != failReason {
		t.Errorf("reason %q", got)
	}
	s.delivered(later, "posted during the hold")
	if got := s.tg.texts(annID); !slices.Equal(got, []string{"posted during the hold"}) {
		t.Errorf("at the messenger: %q", got)
	}
	if got := refused(t, s.place, "jobs", "fail"); !strings.Contains(got, "no jobs are held") {
		t.Errorf("fail again: %s", got)
	}
}

func TestBackupAndRestoreRefuse(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", nil)
	dir := t.TempDir()
	target := filepath.Join(dir, "backup.db")
	s.cli("backup", target)
	fresh, empty := place{Data: filepath.Join(dir, "fresh")}, place{Data: t.TempDir()}
	postgres := place{t.TempDir(), "postgres://127.0.0.1/none"}
	for _, tt := range []struct {
		name string
		p    place
		args []string
		says string
	}{
		{"over a file", s.place, []string{"backup", target}, "exists already"},
		{"to a directory", s.place, []string{"backup", dir}, "is a directory"},
		{"of nothing", empty, []string{"backup", filepath.Join(dir, "other.db")}, "there is no database in"},
		{"backup of PostgreSQL", postgres, []string{"backup", filepath.Join(dir, "pg.db")}, "pg_dump"},
		{"restore of PostgreSQL", postgres, []string{"restore", target}, "pg_dump"},
		{"without the keyset", fresh, []string{"restore", target}, filepath.Join(fresh.Data, "keyset.json")},
		{"beside a gateway", s.place, []string{"restore", target}, "in use by"},
	} {
		if got := refused(t, tt.p, tt.args...); !strings.Contains(got, tt.says) {
			t.Errorf("%s: %s; want %q", tt.name, got, tt.says)
		}
	}
	s.stop()
	if got := refused(t, s.place, "restore", target); !strings.Contains(got, "parley.db exists already") {
		t.Errorf("over a database: %s", got)
	}
	if entries, err := os.ReadDir(empty.Data); err != nil || len(entries) != 0 {
		t.Errorf("a refused backup left %v, %v", entries, err)
	}
	if !regexp.MustCompile(`epoch \d+`).MatchString(s.moved(target)) {
		t.Error("the stage cannot be moved")
	}
}
