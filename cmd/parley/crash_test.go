package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/parley-im/parley/simulator"
	"github.com/parley-im/parley/store/storetest"
)

// crashSeedEnv is the environment variable with the seed of a run that is to be
// made again. Without it every run has its own.
const crashSeedEnv = "PARLEY_CRASH_SEED"

// crashTime bounds a case; it is many times what one takes.
const crashTime = 8 * time.Minute

// A crashCase is a gateway that is killed again and again.
type crashCase struct {
	name     string
	rounds   int // kills with work under way
	postgres bool
	polled   bool // no callbacks
	files    bool // with everything that is said
}

// TestCrash kills the gateway's process with SIGKILL while people write to its
// bot and a customer's program sends, starts it again on the same data, and looks
// from outside at what came of it all: nothing is lost, nothing that was accepted
// is done twice, and everything is in order. It is the crash of a process, not
// the loss of power: what a process has written, the operating system keeps.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a gateway for a minute")
	}
	seed := crashSeed(t)
	t.Logf("seed %d; %s=%d makes the same choices again", seed, crashSeedEnv, seed)
	binary := crashBuild(t)
	cases := []crashCase{
		{name: "sqlite", rounds: 24},
		{name: "sqlite polled", rounds: 12, polled: true},
		{name: "postgres", rounds: 16, postgres: true},
		{name: "postgres polled", rounds: 10, postgres: true, polled: true},
		{name: "sqlite files", rounds: 16, files: true},
		{name: "postgres files", rounds: 16, postgres: true, polled: true, files: true},
	}
	for n, postgres := range []bool{false, true} {
		t.Run(fmt.Sprintf("keys/postgres=%v", postgres), func(t *testing.T) {
			t.Parallel()
			crashKeys(t, binary, postgres, rand.New(rand.NewPCG(seed, uint64(100+n))))
		})
	}
	for n, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), crashTime)
			defer cancel()
			w := newCrashWorld(ctx, t, &c, binary, rand.New(rand.NewPCG(seed, uint64(n))))
			w.furnish()
			w.load()
			w.rounds()
			w.settle()
			w.check()
		})
	}
}

func crashSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(crashSeedEnv)
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", crashSeedEnv, err)
	}
	return seed
}

// place returns where the case's data is: a directory, and a database if it is
// not in there.
func (c *crashCase) place(t *testing.T) (dir, database string) {
	t.Helper()
	if c.postgres {
		database = storetest.Postgres(t).URL
	}
	return filepath.Join(t.TempDir(), "data"), database
}

// rounds kills until enough kills have hit something. Every sort of instant has
// its turn.
func (w *crashWorld) rounds() {
	w.t.Helper()
	points := w.points()
	for round := 0; w.hits < w.rules.rounds; round++ {
		if round >= 3*w.rules.rounds {
			w.t.Fatalf("only %d of %d kills hit work under way", w.hits, round)
		}
		if round%len(points) == 0 {
			w.rng.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		}
		w.faults()
		w.round(points[round%len(points)])
		w.renameNode(round)
	}
	w.sim.Faults().Clear()
	w.calm = time.Now()
}

// round kills once and starts again.
func (w *crashWorld) round(point crashPoint) {
	w.t.Helper()
	if point != crashStarting {
		w.gateway.ready(w.ctx, w.t)
	}
	patience := 5 * time.Second
	if point == crashAnytime || point == crashStarting {
		patience = time.Duration(w.rng.Int64N(int64(700 * time.Millisecond)))
	} else {
		w.instant.arm(point, 1+w.rng.IntN(8))
	}
	w.gateway.await(w.ctx, w.t, patience) // until the instant has come, or patience ends
	struck := w.gateway.kill()
	w.instant.disarm()
	w.kills++
	if struck.total() > 0 {
		w.hits++
		w.struck.add(struck)
	}
	w.gateway.start(w.t)
}

// renameNode has another node take over, once, halfway: the dead one's lease then
// has to expire, which a node of the same name need not wait for.
func (w *crashWorld) renameNode(round int) {
	if w.rules.postgres && !w.rules.polled && round == w.rules.rounds/2 {
		w.gateway.node = "successor"
	}
}

// faults scripts what goes wrong at the messenger in a round.
func (w *crashWorld) faults() {
	w.t.Helper()
	script := w.sim.Faults()
	script.Clear()
	delay := 10 + w.rng.Int64N(150) // in ms
	var list []simulator.Fault
	method := w.rules.method()
	switch w.rng.IntN(3) {
	case 0:
		list = append(list, simulator.Fault{Kind: simulator.FaultLate, Method: method, Times: -1, DelayMS: delay})
	case 1:
		list = append(list, simulator.Fault{Kind: simulator.FaultSlow, Method: method, Times: -1, DelayMS: delay})
	}
	if w.rng.IntN(4) == 0 {
		list = append(list, simulator.Fault{Kind: simulator.FaultCutAfter, Method: method})
	}
	if w.rng.IntN(4) == 0 {
		list = append(list, simulator.Fault{Kind: simulator.FaultTwice, Times: 3})
	}
	for _, f := range list {
		if _, err := script.Add(f); err != nil {
			w.t.Fatal(err)
		}
	}
}

// settle has the load end, and waits with a gateway that nobody kills until
// everything has arrived everywhere.
func (w *crashWorld) settle() {
	w.t.Helper()
	w.gateway.ready(w.ctx, w.t)
	close(w.halt)
	w.working.Wait()
	w.waitFor("the messenger's updates to be taken", func() string {
		if n := w.sim.Accounts()[0].Pending; n > 0 {
			return fmt.Sprintf("%d updates wait", n)
		}
		return ""
	})
	w.waitFor("the jobs to end", w.readJobs)
	w.readMessages()
	w.waitFor("the webhooks to come", w.webhooksMissing)
	w.readRefused()
	w.readFiles()
	w.gateway.stop(w.ctx, w.t)
}

// waitFor polls until missing returns "".
func (w *crashWorld) waitFor(what string, missing func() string) {
	w.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		still := missing()
		if still == "" || w.t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("waited too long for %s: %s", what, still)
			return
		}
		if !crashPause(w.ctx, nil, 50*time.Millisecond) {
			w.t.Fatalf("waiting for %s: %v", what, w.ctx.Err())
		}
	}
}

// crashPause waits, and reports false as soon as ctx ends or halt is closed.
func crashPause(ctx context.Context, halt <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-halt:
	case <-ctx.Done():
	}
	return false
}
