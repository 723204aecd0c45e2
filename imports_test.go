package parley_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/parley-im/parley"

// layers says what each package may import of this module, besides the root,
// which everybody may. A package that is not here may import nothing of it, so a
// new one has to take its place first.
var layers = map[string][]string{
	"connector": {},
	"params":    {}, "blob": {}, "seal": {}, "fetch": {}, "simulator": {}, "jsonout": {},
	"api/apitest": {},
	"render":      {"jsonout"},
	"store":       {"connector", "render", "seal"},
	"metrics":     {"store"},
	"trace":       {"fetch"},
	"inbox":       belowServices,
	"outbox":      belowServices,
	"webhook":     belowServices,
	"stream":      {},
	"session":     belowServices,
	"lease":       belowServices,
	"janitor":     append([]string{"blob"}, belowServices...),
	"attachment":  append([]string{"blob"}, belowServices...),
	"signin":      append([]string{"jsonout"}, belowServices...),
	"bench/fill":  {"store", "connector", "render", "seal"},
	"api":         append([]string{"params", "jsonout", "attachment", "signin"}, belowServices...),
	"bench":       {"bench/load", "bench/sink", "bench/limits", "bench/fill", "bench/suite", "bench/compare"},
	"bench/suite": {"bench/load", "bench/sink", "bench/limits", "bench/fill"},
	"bench/load":  {}, "bench/sink": {"bench/load"}, "bench/limits": {"bench/load"}, "bench/compare": {},
}

// testHelpers are packages that only tests import.
var testHelpers = []string{"store/storetest", "connector/connectortest", "api/apitest"}

var belowServices = []string{"store", "connector", "render", "seal", "fetch"}

// wrongEdges returns the imports that point the wrong way. The graph has paths
// below the module, "." for its root; std tells of other packages whether they
// are of the standard library.
func wrongEdges(graph map[string][]string, std func(string) bool) []string {
	var wrong []string
	for from, imports := range graph {
		for _, to := range imports {
			if !allowed(from, to, std) {
				wrong = append(wrong, from+" -> "+to)
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

func allowed(from, to string, std func(string) bool) bool {
	to, ours := inside(to)
	switch {
	case !ours:
		return from != "." || std(to)
	case from == ".":
		return false
	case to == "." || strings.HasPrefix(from, "cmd/"):
		return true
	case isSimulator(from):
		return to == "simulator"
	case strings.HasPrefix(from, "provider/"):
		return to == "connector"
	case strings.HasPrefix(from, "connector/"), strings.HasPrefix(from, "store/"):
		return true // suites and helpers of tests, which nobody imports
	}
	return slices.Contains(layers[from], to)
}

// inside turns an import path into one below the module.
func inside(importPath string) (below string, ours bool) {
	if importPath == module {
		return ".", true
	}
	below, ours = strings.CutPrefix(importPath, module+"/")
	return below, ours
}

// isSimulator reports whether a package is provider/x/xsim.
func isSimulator(pkg string) bool {
	return strings.HasPrefix(pkg, "provider/") && path.Base(pkg) == path.Base(path.Dir(pkg))+"sim"
}

func isStd(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// TestImports: imports point one way. Tests may import what they like, but for
// packages of test helpers, which nothing else may import.
func TestImports(t *testing.T) {
	t.Parallel()
	graph := importGraph(t)
	for _, pkg := range []string{".", "connector", "store", "provider/telegram", "provider/telegram/telegramsim", "cmd/parley"} {
		if _, ok := graph[pkg]; !ok {
			t.Errorf("package %s was not found", pkg)
		}
	}
	for _, edge := range wrongEdges(graph, isStd) {
		t.Errorf("import in the wrong direction: %s", edge)
	}
	for from, imports := range graph {
		for _, to := range imports {
			if below, ours := inside(to); ours && slices.Contains(testHelpers, below) {
				t.Errorf("%s imports %s, which is for tests only", from, below)
			}
		}
	}
}

// TestImportsChecker: the check finds what it is for.
func TestImportsChecker(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to string
		ok       bool
	}{
		{".", "context", true}, {".", "github.com/google/go-cmp/cmp", false}, {".", module + "/store", false},
		{"connector", module, true}, {"connector", module + "/seal", false}, {"provider/telegram", module + "/connector", true},
		{"provider/telegram", module + "/store", false}, {"provider/telegram", module + "/outbox", false},
		{"provider/telegram", module + "/provider/telegram/telegramsim", false}, {"provider/telegram", module + "/provider/viber", false},
		{"provider/telegram/telegramsim", module + "/provider/telegram", false}, {"provider/telegram/telegramsim", module + "/simulator", true},
		{"provider/telegram/telegramsim", module + "/connector", false}, {"render", module, true}, {"render", module + "/store", false},
		{"store", module + "/connector", true}, {"store", module + "/webhook", false}, {"store", module + "/fetch", false},
		{"outbox", module + "/store", true}, {"outbox", module + "/inbox", false}, {"inbox", module + "/session", false},
		{"session", module + "/lease", false}, {"lease", module + "/api", false}, {"api", module + "/webhook", false}, {"api", module + "/params", true},
		{"webhook", module + "/params", false}, {"cmd/parley", module + "/api", true}, {"api/apitest", module + "/api", false}, {"newcomer", module + "/store", false}, {"newcomer", module, true},
	} {
		wrong := wrongEdges(map[string][]string{tt.from: {tt.to}}, isStd)
		if got := len(wrong) == 0; got != tt.ok {
			t.Errorf("%s -> %s: allowed %v, want %v", tt.from, tt.to, got, tt.ok)
		}
	}
}

// importGraph reads the imports of all files but tests, whatever their build tags.
func importGraph(t *testing.T) map[string][]string {
	t.Helper()
	graph := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipped(file, d.Name())
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		imports, err := importsOf(file)
		pkg := filepath.ToSlash(filepath.Dir(file))
		graph[pkg] = append(graph[pkg], imports...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return graph
}

func skipped(dir, name string) error {
	if dir != "." && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
		return filepath.SkipDir
	}
	return nil
}

func importsOf(file string) ([]string, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var all []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
