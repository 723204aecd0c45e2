package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/fetch"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/webhook"
)

type checkCommand struct {
	config
	Offline  bool `help:"Do not call providers, nor the public URL, nor a bucket."`
	AllFiles bool `help:"Read every file and compare it with what was stored; without it, look for the newest 200."`
}

// A grade is how a check ended.
type grade string

const (
	gradeOK   grade = "ok"
	gradeWarn grade = "warn" // it works, but something should be done
	gradeFail grade = "fail" // serve would not start, or could lose data
)

// What a check of the surroundings finds too little or too far.
const (
	reachTimeout    = 5 * time.Second  // of one address
	databaseTimeout = 10 * time.Second // to reach PostgreSQL; checking SQLite's pages takes as long as it takes
	lowSpace        = 1 << 30          // bytes
	clockWarn       = 2 * time.Second
	clockFail       = time.Minute
)

// A checker prints one line for each check and counts the failures.
type checker struct {
	*checkCommand
	out    console
	failed int
}

// Run prints the checks. It makes and changes nothing, but for a file that it
// writes to the data directory and to the store of files and deletes. It is safe beside a
// running gateway. It fails if a check did.
func (c *checkCommand) Run(ctx context.Context, out console) error {
	k := &checker{checkCommand: c, out: out}
	k.configuration()
	k.directory()
	keys := k.keys()
	facts, known := k.database(ctx, keys)
	k.free("disk", k.Data)
	k.files(ctx, facts, known)
	k.outside(ctx)
	if k.failed > 0 {
		return fmt.Errorf("failed checks: %d", k.failed)
	}
	return nil
}

func (k *checker) say(g grade, what, format string, args ...any) {
	if g == gradeFail {
		k.failed++
	}
	text := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ") // some errors have several lines
	fmt.Fprintf(k.out.out, "%-4s  %-14s  %s\n", g, what, text)
}

func (k *checker) configuration() {
	err := k.validate()
	if err == nil {
		_, err = webhook.NewPolicy(k.WebhookPolicy, k.WebhookRetries, k.WebhookDelay)
	}
	if err != nil {
		k.say(gradeFail, "configuration", "%v", err)
		return
	}
	k.say(gradeOK, "configuration", "every flag is in range; providers: %s", strings.Join(slices.Sorted(maps.Keys(k.offered())), ", "))
}

func (k *checker) directory() {
	const what = "data directory"
	info, err := os.Stat(k.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.say(gradeWarn, what, "%s is not there yet; serve makes it. If there should be data, say with --data where it is", k.Data)
		return
	case err != nil:
		k.say(gradeFail, what, "%v", err)
		return
	case !info.IsDir():
		k.say(gradeFail, what, "%s is not a directory", k.Data)
		return
	}
	probe, err := os.CreateTemp(k.Data, ".parley-check-*")
	if err != nil {
		k.say(gradeFail, what, "it cannot be written: %v; give it to the user that runs parley", err)
		return
	}
	_, _ = probe.Close(), os.Remove(probe.Name()) // empty
	if open := info.Mode().Perm() & 0o077; open != 0 {
		k.say(gradeWarn, what, "others may look into it (mode %04o): run chmod 700 %s", info.Mode().Perm(), k.Data)
		return
	}
	k.say(gradeOK, what, "%s can be written, and by nobody else", k.Data)
}

// keys returns nil if there is no keyset that could be read.
func (k *checker) keys() *seal.Keyset {
	keys, err := seal.Open(k.keyset())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // whether that is right depends on the database
	case err != nil:
		k.say(gradeFail, "keyset", "%v", err)
	}
	return keys
}

// database returns what it found, if the database could be read.
func (k *checker) database(ctx context.Context, keys *seal.Keyset) (f store.Facts, known bool) {
	const what = "database"
	if k.Database != "" {
		timed, cancel := context.WithTimeout(ctx, databaseTimeout)
		defer cancel()
		ctx = timed
	}
	f, err := store.Examine(ctx, store.Options{Path: k.file(), URL: k.Database})
	if err != nil {
		k.say(gradeFail, what, "%v", err)
		return f, false
	}
	switch {
	case f.Version == 0:
		k.say(gradeOK, what, "there is none yet, or it is empty; serve makes it")
	case f.Compatible > f.Known:
		k.say(gradeFail, what, "its schema has version %d, this program knows %d: install a newer Parley", f.Version, f.Known)
	case f.Version < f.Known:
		k.say(gradeWarn, what, "its schema has version %d, this program brings it to %d when it starts: make a backup first", f.Version, f.Known)
	default:
		k.say(gradeOK, what, "it can be reached; schema version %d", f.Version)
	}
	k.match(keys, f)
	k.durability(f)
	if f.Held {
		k.say(gradeWarn, "jobs", "they are held after a restore: run parley jobs release or parley jobs fail")
	}
	k.clock(f)
	return f, true
}

// match compares the keyset with what the database was sealed with.
func (k *checker) match(keys *seal.Keyset, f store.Facts) {
	const what = "keyset"
	switch {
	case keys == nil && f.Keyset != "":
		if _, err := os.Stat(k.keyset()); errors.Is(err, fs.ErrNotExist) { // otherwise it was said
			k.say(gradeFail, what, "%s is not there: put the keyset that goes with this database in its place, from your copy", k.keyset())
		}
	case keys == nil:
		k.say(gradeOK, what, "there is none yet; serve makes it. Keep a copy apart from the backups")
	case f.Keyset != "" && !slices.Contains(keys.Fingerprints(), f.Keyset):
		k.say(gradeFail, what, "%s does not belong to this database, which was sealed with key %s: put the right one in its place", k.keyset(), f.Keyset)
	default:
		k.say(gradeOK, what, "%s opens what is sealed in the database", k.keyset())
	}
}

// A demand is what a setting of the database must be, for nothing to be lost.
type demand struct {
	name, want string
	grade      grade // if it is otherwise
	advice     string
}

var sqliteDemands = []demand{
	{"journal_mode", "wal", gradeFail, "the file system has no write-ahead log: put the data on a local disk"},
	{"synchronous", "2", gradeFail, "commits do not wait for the disk"}, // FULL
}

var postgresDemands = []demand{
	{"fsync", "on", gradeFail, "a power cut loses or destroys data: set fsync = on"},
	{"full_page_writes", "on", gradeFail, "a power cut can tear pages: set full_page_writes = on, unless the file system cannot tear them"},
}

func (k *checker) durability(f store.Facts) {
	if len(f.Settings) == 0 {
		return // nothing is there
	}
	demands := sqliteDemands
	if k.Database != "" {
		demands = postgresDemands
	}
	before := k.failed
	for _, d := range demands {
		if got := f.Settings[d.name]; got != d.want {
			k.say(d.grade, "durability", "%s is %s: %s", d.name, got, d.advice)
		}
	}
	if f.Damage != "" {
		k.say(gradeFail, "durability", "the file is damaged: %s; stop the gateway and restore a backup", f.Damage)
	}
	if k.Database != "" {
		k.replicas(f)
	} else if k.failed == before {
		k.say(gradeOK, "durability", "write-ahead log, every commit waits for the disk, the pages are sound")
	}
}

// replicas looks at what a commit on PostgreSQL waits for.
func (k *checker) replicas(f store.Facts) {
	const what = "durability"
	switch commit := f.Settings["synchronous_commit"]; {
	case commit == "off":
		k.say(gradeFail, what, "synchronous_commit is off: a crash loses what was confirmed; set it to on")
	case f.Settings["synchronous_standby_names"] == "":
		k.say(gradeWarn, what, "synchronous_standby_names is empty: what was confirmed is on one machine only, and goes with it")
	case commit == "local":
		k.say(gradeWarn, what, "synchronous_commit is local: commits do not wait for the standby; set it to on")
	default:
		k.say(gradeOK, what, "commits wait for the disk (synchronous_commit = %s) and for a standby", commit)
	}
}

func (k *checker) clock(f store.Facts) {
	const what = "clock"
	skew := f.Skew.Abs().Round(time.Millisecond)
	switch {
	case k.Database == "":
		k.say(gradeOK, what, "not compared: SQLite has no clock of its own")
	case skew >= clockFail:
		k.say(gradeFail, what, "%v apart from PostgreSQL's: set both by NTP", skew)
	case skew >= clockWarn:
		k.say(gradeWarn, what, "%v apart from PostgreSQL's: set both by NTP", skew)
	default:
		k.say(gradeOK, what, "%v apart from PostgreSQL's", skew)
	}
}

// free looks at the space that is left where a directory is.
func (k *checker) free(what, directory string) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(directory, &s); err != nil {
		return // there is no directory, which was said
	}
	free := s.Bavail * uint64(s.Bsize)
	if free < lowSpace {
		k.say(gradeWarn, what, "%d MiB are free in %s: make room; the gateway refuses messages and files when the disk is full", free>>20, directory)
		return
	}
	k.say(gradeOK, what, "%d MiB are free", free>>20)
}

// outside calls what the gateway will have to reach, and be reached by.
func (k *checker) outside(ctx context.Context) {
	if k.Offline {
		k.say(gradeOK, "outside", "not called: --offline")
		return
	}
	offered := k.offered()
	for _, name := range slices.Sorted(maps.Keys(offered)) {
		k.provider(ctx, offered[name].Spec())
	}
	if k.PublicURL == "" {
		k.say(gradeOK, "public URL", "none: providers are polled")
		return
	}
	address := strings.TrimRight(k.PublicURL, "/") + "/healthz"
	switch status, err := answers(ctx, address); {
	case err != nil:
		k.say(gradeWarn, "public URL", "it does not answer from here: %v; is the gateway running, and is the proxy?", err)
	case status != http.StatusOK:
		k.say(gradeWarn, "public URL", "%s answers %d, want 200: is it this gateway?", address, status)
	default:
		k.say(gradeOK, "public URL", "%s answers", address)
	}
}

// provider takes any answer for reachable: without credentials most refuse.
func (k *checker) provider(ctx context.Context, spec connector.Spec) {
	base := k.base(spec)
	if !strings.HasPrefix(base, "http://") && !strings.HasPrefix(base, "https://") {
		k.say(gradeOK, spec.Name, "not called: its address is not HTTP")
		return
	}
	if _, err := answers(ctx, base); err != nil {
		k.say(gradeFail, spec.Name, "it does not answer: %v; check name resolution and the firewall, or leave it out with --disable %s", err, spec.Name)
		return
	}
	k.say(gradeOK, spec.Name, "answers")
}

// answers returns the status of an address that the operator has chosen.
func answers(ctx context.Context, address string) (int, error) {
	client, err := fetch.New(fetch.Options{AllowPrivate: true})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	timed, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, http.MethodGet, address, nil)
	if err != nil {
		return 0, parley.Errorf(parley.KindInvalid, "it is not a valid URL")
	}
	resp, err := client.Do(req)
	if timed.Err() != nil && ctx.Err() == nil {
		return 0, fmt.Errorf("no answer within %v", reachTimeout)
	}
	if err != nil {
		return 0, err
	}
	fetch.Discard(resp)
	return resp.StatusCode, nil
}
