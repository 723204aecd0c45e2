package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

// checked runs parley check beside the stage's data, as its configuration is.
func checked(t *testing.T, c *config, offline bool) (printed string, err error) {
	t.Helper()
	out := newJournal()
	err = (&checkCommand{config: *c, Offline: offline}).Run(context.Background(), console{out, out})
	for line := range strings.Lines(out.String()) {
		if !regexp.MustCompile(`^(ok  |warn|fail)  [a-zA-Z ]{14}  \S.*\n$`).MatchString(line) {
			t.Errorf("a line of check: %q", line)
		}
	}
	return out.String(), err
}

// wantLine wants a line of a grade about something that says a text.
func wantLine(t *testing.T, printed string, g grade, what, text string) {
	t.Helper()
	for line := range strings.Lines(printed) {
		if strings.HasPrefix(line, string(g)) && strings.HasPrefix(line[6:], what+"  ") && strings.Contains(line, text) {
			return
		}
	}
	t.Errorf("no line %s %s with %q in\n%s", g, what, text, printed)
}

func TestCheckRunning(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, func(c *config) { c.publicSelf = false })
		c := s.config()
		c.PublicURL = "http://" + s.listen
		if err := os.Chmod(c.Data, 0o700); err != nil {
			t.Fatal(err)
		}
		printed, err := checked(t, c, false)
		for _, what := range []string{"configuration", "data directory", "database", "keyset", "disk", "files", "clock", "telegram", "public URL"} {
			wantLine(t, printed, gradeOK, what, "")
		}
		wantLine(t, printed, gradeOK, "files", "deletes a file")
		wantLine(t, printed, gradeOK, "files", "the bytes of the 0 newest files")
		if database != "" {
			wantLine(t, printed, gradeFail, "durability", "synchronous_commit is off") // so the tests connect
			if err == nil {
				t.Error("a failed check is no error")
			}
			return
		}
		wantLine(t, printed, gradeOK, "durability", "")
		if err != nil || strings.Contains(printed, "fail") {
			t.Errorf("%v\n%s", err, printed)
		}
	})
}

// TestCheckFinds: each thing that can be wrong is told, with what to do.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		spoil  func(t *testing.T, s *stage, c *config)
		online bool
		grade  grade
		what   string
		says   string
	}{
		{name: "a bad flag", spoil: func(_ *testing.T, _ *stage, c *config) { c.JobExpiry = 0 },
			grade: gradeFail, what: "configuration", says: "--job-expiry"},
		{name: "a bad policy", spoil: func(_ *testing.T, _ *stage, c *config) { d := time.Millisecond; c.WebhookDelay = &d },
			grade: gradeFail, what: "configuration", says: "delay"},
		{name: "an open directory", spoil: func(t *testing.T, s *stage, _ *config) { mode(t, s.place.Data, 0o755) },
			grade: gradeWarn, what: "data directory", says: "chmod 700"},
		{name: "no directory", spoil: func(_ *testing.T, _ *stage, c *config) { c.Data = filepath.Join(c.Data, "none") },
			grade: gradeWarn, what: "data directory", says: "not there yet"},
		{name: "a file for a directory", spoil: func(_ *testing.T, s *stage, c *config) { c.Data = s.place.file() },
			grade: gradeFail, what: "data directory", says: "is not a directory"},
		{name: "no keyset", spoil: func(t *testing.T, s *stage, _ *config) { remove(t, s.place.keyset()) },
			grade: gradeFail, what: "keyset", says: "from your copy"},
		{name: "another keyset", spoil: func(t *testing.T, s *stage, _ *config) {
			remove(t, s.place.keyset())
			if _, err := seal.OpenOrCreate(s.place.keyset()); err != nil {
				t.Fatal(err)
			}
		}, grade: gradeFail, what: "keyset", says: "does not belong"},
		{name: "an open keyset", spoil: func(t *testing.T, s *stage, _ *config) { mode(t, s.place.keyset(), 0o644) },
			grade: gradeFail, what: "keyset", says: "chmod 600"},
		{name: "a damaged database", spoil: damage, grade: gradeFail, what: "durability", says: "damaged"},
		{name: "no database", spoil: func(t *testing.T, s *stage, c *config) { c.Data = t.TempDir() },
			grade: gradeOK, what: "database", says: "serve makes it"},
		{name: "no PostgreSQL", spoil: func(_ *testing.T, _ *stage, c *config) { c.Database = "postgres://127.0.0.1:1/none" },
			grade: gradeFail, what: "database", says: "reach the database"},
		{name: "a messenger that is down", spoil: func(_ *testing.T, s *stage, _ *config) { s.tg.down() },
			online: true, grade: gradeFail, what: "telegram", says: "--disable telegram"},
		{name: "no gateway at the public URL", spoil: func(_ *testing.T, s *stage, c *config) { c.PublicURL = "http://127.0.0.1:1" },
			online: true, grade: gradeWarn, what: "public URL", says: "does not answer"},
		{name: "another program at the public URL", spoil: func(_ *testing.T, s *stage, c *config) { c.PublicURL = s.tg.url() },
			online: true, grade: gradeWarn, what: "public URL", says: "want 200"},
		{name: "nothing", spoil: func(*testing.T, *stage, *config) {}, grade: gradeOK, what: "outside", says: "--offline"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := bareStage(t, "", nil)
			s.cli("token", "create", "--user", "shop")
			mode(t, s.place.Data, 0o700)
			c := s.config()
			tt.spoil(t, s, c)
			printed, err := checked(t, c, !tt.online)
			wantLine(t, printed, tt.grade, tt.what, tt.says)
			if failed := strings.Contains("\n"+printed, "\nfail"); failed != (err != nil) || failed != (tt.grade == gradeFail) {
				t.Errorf("error %v of\n%s", err, printed)
			}
		})
	}
}

func mode(t *testing.T, name string, m os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, m); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// damage overwrites a page of the database that belongs to some table.
func damage(t *testing.T, s *stage, _ *config) {
	t.Helper()
	f, err := os.OpenFile(s.place.file(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for page := int64(10); page < 40; page++ {
		_, err = f.WriteAt([]byte(strings.Repeat("x", 4096)), page*4096)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckDemands: the settings that PostgreSQL must have, whatever the tests'
// server has.
func TestCheckDemands(t *testing.T) {
	t.Parallel()
	good := map[string]string{"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "synchronous_standby_names": "ANY 1 (*)"}
	for _, tt := range []struct {
		name, value string
		grade       grade
		says        string
	}{
		{"fsync", "on", gradeOK, "for a standby"},
		{"fsync", "off", gradeFail, "set fsync = on"},
		{"full_page_writes", "off", gradeFail, "full_page_writes"},
		{"synchronous_commit", "off", gradeFail, "set it to on"},
		{"synchronous_commit", "local", gradeWarn, "do not wait for the standby"},
		{"synchronous_commit", "remote_apply", gradeOK, "remote_apply"},
		{"synchronous_standby_names", "", gradeWarn, "one machine only"},
	} {
		f := store.Facts{Settings: map[string]string{}}
		for name, value := range good {
			f.Settings[name] = value
		}
		f.Settings[tt.name] = tt.value
		out := newJournal()
		k := &checker{checkCommand: &checkCommand{config: config{place: place{Database: "postgres://"}}}, out: console{out, out}}
		k.durability(f)
		wantLine(t, out.String(), tt.grade, "durability", tt.says)
		if (k.failed > 0) != (tt.grade == gradeFail) {
			t.Errorf("%s = %s: %d failures", tt.name, tt.value, k.failed)
		}
	}
	for skew, want := range map[time.Duration]grade{time.Millisecond: gradeOK, -3 * time.Second: gradeWarn, 2 * time.Minute: gradeFail, -time.Hour: gradeFail} {
		out := newJournal()
		k := &checker{checkCommand: &checkCommand{config: config{place: place{Database: "postgres://"}}}, out: console{out, out}}
		k.clock(store.Facts{Skew: skew})
		wantLine(t, out.String(), want, "clock", "apart")
	}
}

// TestCheckMakesNothing: a check before the first start leaves no trace, and is
// a success.
func TestCheckMakesNothing(t *testing.T) {
	t.Parallel()
	p := place{Data: filepath.Join(t.TempDir(), "data")}
	if code, out, errs := cliOn(p, "check", "--offline"); code != 0 || errs != "" {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if _, err := os.Stat(p.Data); !os.IsNotExist(err) {
		t.Errorf("the check made %s: %v", p.Data, err)
	}
	code, _, errs := cliOn(p, "check", "--offline", "--job-expiry", "0s")
	if code != 1 || errs != "parley: failed checks: 1\n" {
		t.Errorf("a failed check: exit code %d, %q", code, errs)
	}
}
