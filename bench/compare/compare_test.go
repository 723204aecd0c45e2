package compare

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMeasured(t *testing.T) {
	t.Parallel()
	out := "goos: linux\ngoarch: amd64\npkg: example.com/x\ncpu: some\n" +
		"BenchmarkA/parallel=64-2   100   12.5 ns/op   0 B/op\n--- BENCH: BenchmarkA\n    a_test.go:9: said something\nPASS"
	want := "goos: linux\ngoarch: amd64\npkg: example.com/x\ncpu: some\nBenchmarkA/parallel=64-2   100   12.5 ns/op   0 B/op\n"
	if diff := cmp.Diff(want, measured(out)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A repository has one commit with package old, which a second commit changes; the
// second one also adds package new.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bench := func(name string) string {
		return "package x\n\nimport \"testing\"\n\nfunc Benchmark" + name + "(b *testing.B) {\n\tfor b.Loop() {\n\t}\n}\n"
	}
	write(t, dir, "go.mod", "module example.com/x\n\ngo 1.26\n")
	write(t, dir, "old/x_test.go", bench("First"))
	git(t, dir, "init", "-q")
	commit(t, dir)
	write(t, dir, "old/x_test.go", bench("Second"))
	write(t, dir, "new/x_test.go", bench("New"))
	commit(t, dir)
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, dir string) {
	t.Helper()
	git(t, dir, "add", "-A")
	git(t, dir, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "x")
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestCompare: each side has its own benchmarks, as often as there are rounds, and
// nothing is left in the repository.
func TestCompare(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds test binaries")
	}
	dir := repository(t)
	var results [2]string
	c := &comparison{Options: Options{Packages: []string{"old", "new"}, Bench: ".", Rounds: 2, Time: "1x", Progress: io.Discard}, head: dir,
		stat: func(_ context.Context, base, head string) (string, error) {
			for i, file := range []string{base, head} {
				b, err := os.ReadFile(file)
				if err != nil {
					return "", err
				}
				results[i] = string(b)
			}
			return "a table", nil
		}}
	table, err := c.compare(t.Context())
	if err != nil || table != "a table" {
		t.Fatalf("got %q, %v", table, err)
	}
	for i, counts := range []map[string]int{
		{"BenchmarkFirst": 2, "BenchmarkSecond": 0, "BenchmarkNew": 0},
		{"BenchmarkFirst": 0, "BenchmarkSecond": 2, "BenchmarkNew": 2},
	} {
		for name, n := range counts {
			if got := strings.Count(results[i], name); got != n {
				t.Errorf("side %d: %s is there %d times, want %d:\n%s", i, name, got, n, results[i])
			}
		}
	}
	if trees := git(t, dir, "worktree", "list"); strings.Count(trees, "\n") > 0 {
		t.Errorf("work trees left behind:\n%s", trees)
	}
}

// TestDefaultBase: the newest tag before HEAD, or the commit before it.
func TestDefaultBase(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	c := &comparison{head: dir}
	if got := c.defaultBase(t.Context()); got != "HEAD^" {
		t.Errorf("without a tag: %s", got)
	}
	git(t, dir, "tag", "v2", "HEAD")
	if got := c.defaultBase(t.Context()); got != "HEAD^" {
		t.Errorf("HEAD compared with itself: %s", got)
	}
	git(t, dir, "tag", "v1", "HEAD^")
	if got := c.defaultBase(t.Context()); got != "v1" {
		t.Errorf("with a tag: %s", got)
	}
}

func TestUnknownBase(t *testing.T) {
	t.Parallel()
	c := &comparison{Options: Options{Base: "no-such-revision", Progress: io.Discard}, head: repository(t)}
	if _, err := c.compare(t.Context()); err == nil || !strings.Contains(err.Error(), "no such revision") {
		t.Errorf("got %v", err)
	}
}
