package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// deployed is where the units call the program.
const deployed = "/usr/local/bin/parley"

func readDeploy(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// accepted parses a command line as the program would, without running it.
func accepted(t *testing.T, args []string) *commands {
	t.Helper()
	var c commands
	parser, err := kong.New(&c, kong.Name("parley"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Errorf("parley %s: %v", strings.Join(args, " "), err)
	}
	return &c
}

// settingOf returns the one value of a setting of a unit.
func settingOf(t *testing.T, unit, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(unit, -1)
	if len(found) != 1 {
		t.Fatalf("%d settings %s=, want 1", len(found), name)
	}
	return found[0][1]
}

// TestUnit: the unit starts what the program understands, where it may write, and
// gives it the time that it takes to stop.
func TestUnit(t *testing.T) {
	t.Parallel()
	unit := readDeploy(t, "deploy/systemd/parley.service")
	command := strings.Fields(settingOf(t, unit, "ExecStart"))
	if command[0] != deployed || command[1] != "serve" {
		t.Fatalf("it starts %q", command)
	}
	c := accepted(t, command[1:])
	if want := "/var/lib/" + settingOf(t, unit, "StateDirectory"); c.Serve.Data != want {
		t.Errorf("the data is in %s, the service may write to %s", c.Serve.Data, want)
	}
	patience, err := time.ParseDuration(settingOf(t, unit, "TimeoutStopSec") + "s")
	if err != nil || patience < 2*c.Serve.StopTimeout+10*time.Second {
		t.Errorf("TimeoutStopSec is %v, %v; a stop takes up to two --stop-timeout %v and the last commits", patience, err, c.Serve.StopTimeout)
	}
	for name, want := range map[string]string{
		"Type": "notify", "Restart": "always", "User": "parley", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes",
		"MemoryDenyWriteExecute": "yes", "CapabilityBoundingSet": "", "Requires": "parley.socket", "StartLimitIntervalSec": "0",
	} {
		if got := settingOf(t, unit, name); got != want {
			t.Errorf("%s=%s, want %s", name, got, want)
		}
	}
	if got := settingOf(t, readDeploy(t, "deploy/systemd/parley.socket"), "ListenStream"); got != c.Serve.Listen {
		t.Errorf("the socket is on %s, the program's own default is %s", got, c.Serve.Listen)
	}
}

// TestUnitVerified has systemd read the units, where there is one.
func TestUnitVerified(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	verify := func(change func(string) string) string {
		for _, name := range []string{"parley.service", "parley.socket"} {
			text := strings.ReplaceAll(readDeploy(t, "deploy/systemd/"+name), deployed, self) // it must exist
			if err := os.WriteFile(filepath.Join(dir, name), []byte(change(text)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command(analyze, "verify", filepath.Join(dir, "parley.service"), filepath.Join(dir, "parley.socket")).CombinedOutput()
		if err != nil && len(out) == 0 {
			t.Fatal(err)
		}
		lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool { return !strings.Contains(line, "parley.") })
		return strings.Join(lines, "\n")
	}
	if out := verify(func(s string) string { return s }); out != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	if out := verify(func(s string) string { return strings.ReplaceAll(s, "NoNewPrivileges=", "NoNewPrivilege=") }); out == "" {
		t.Error("systemd-analyze verify finds nothing wrong with a setting that does not exist")
	}
}

// TestDockerfile: the image starts, and asks, what the program understands.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	file := readDeploy(t, "Dockerfile")
	list := func(pattern string) (words []string) {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + pattern + `(\[.*\])$`).FindStringSubmatch(file)
		if m == nil {
			t.Fatalf("the Dockerfile has no %s", pattern)
		}
		if err := json.Unmarshal([]byte(m[1]), &words); err != nil {
			t.Fatal(err)
		}
		return words
	}
	if got := list("ENTRYPOINT "); !slices.Equal(got, []string{deployed}) || !strings.Contains(file, " "+deployed+"\n") {
		t.Errorf("it starts %q, which nothing puts there", got)
	}
	accepted(t, list("CMD "))
	check := list("HEALTHCHECK .* CMD ")
	health := accepted(t, check[1:]).Health
	if check[0] != deployed || !strings.HasSuffix(health.URL, ":8080/readyz") {
		t.Errorf("it asks %q", check)
	}
	for _, want := range []string{"FROM scratch\n", "USER 65532:65532\n", "VOLUME /data\n", "EXPOSE 8080\n", "ENV PARLEY_DATA=/data PARLEY_LISTEN=0.0.0.0:8080\n", "CGO_ENABLED=0 go build -trimpath"} {
		if !strings.Contains(file, want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
}
