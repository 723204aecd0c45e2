package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var updateFlagTables = flag.Bool("update-flag-tables", false, "write the tables of flags in docs/operating.md")

// The tables of flags are between these lines of docs/operating.md.
const (
	tablesBegin = "<!-- flags: written by go test ./cmd/parley -run TestFlagTables -update-flag-tables -->\n"
	tablesEnd   = "<!-- end of flags -->\n"
)

// TestFlagTables: docs/operating.md has every flag of every command, as the
// program itself describes it.
func TestFlagTables(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "docs", "operating.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(b), "\r\n", "\n")
	before, rest, ok := strings.Cut(page, tablesBegin)
	has, after, closed := strings.Cut(rest, tablesEnd)
	if !ok || !closed {
		t.Fatalf("%s has no lines %q and %q", file, tablesBegin, tablesEnd)
	}
	want := flagTables(t)
	if *updateFlagTables {
		if err := os.WriteFile(file, []byte(before+tablesBegin+want+tablesEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, line := range difference(want, has) {
		t.Errorf("docs/operating.md lacks this row of the flags:\n%s", line)
	}
	for _, line := range difference(has, want) {
		t.Errorf("docs/operating.md has a row of a flag that is not there, or is described otherwise:\n%s", line)
	}
	if t.Failed() {
		t.Error("go test ./cmd/parley -run TestFlagTables -update-flag-tables writes the tables")
	} else if has != want {
		t.Errorf("the tables in docs/operating.md are in another order:\n%s", want)
	}
}

// difference returns the lines of a that b does not have.
func difference(a, b string) []string {
	other := strings.Split(b, "\n")
	return slices.DeleteFunc(strings.Split(a, "\n"), func(line string) bool { return slices.Contains(other, line) })
}

func TestDifference(t *testing.T) {
	t.Parallel()
	if got := difference("a\nb\nc\n", "c\na\n"); !slices.Equal(got, []string{"b"}) {
		t.Errorf("got %q", got)
	}
}

// flagTables returns the tables: one for serve, and one for what other commands
// have beyond it.
func flagTables(t *testing.T) string {
	t.Helper()
	parser, err := kong.New(new(commands), kong.Name("parley"), kong.DefaultEnvars("PARLEY"))
	if err != nil {
		t.Fatal(err)
	}
	var serve, others []string
	for _, leaf := range parser.Model.Leaves(false) {
		for _, f := range leaf.Flags {
			switch row := flagRow(f); {
			case f.Name == "help" || f.Hidden:
			case leaf.Name == "serve":
				serve = append(serve, "|"+row)
			case !slices.Contains(serve, "|"+row): // serve is the first command
				others = append(others, "| `"+leaf.Path()+"` |"+row)
			}
		}
	}
	if len(serve) == 0 || len(others) == 0 {
		t.Fatalf("%d flags of serve, %d of other commands", len(serve), len(others))
	}
	return "\n### `parley serve`\n\n| flag | variable | default | |\n| --- | --- | --- | --- |\n" + strings.Join(serve, "\n") +
		"\n\n### Other commands, where they differ\n\n| command | flag | variable | default | |\n| --- | --- | --- | --- | --- |\n" + strings.Join(others, "\n") + "\n\n"
}

// flagRow returns the cells of a flag, without the first bar.
func flagRow(f *kong.Flag) string {
	name := "--" + f.Name
	switch {
	case f.PlaceHolder != "":
		name += "=" + f.PlaceHolder
	case f.Tag.Negatable != "":
		name = "--[no-]" + f.Name
	}
	var variables []string
	for _, v := range f.Envs {
		variables = append(variables, "`"+v+"`")
	}
	value := "–"
	if f.HasDefault && f.Default != "" {
		value = "`" + f.Default + "`"
	} else if f.Required {
		value = "required"
	}
	return fmt.Sprintf(" `%s` | %s | %s | %s |", name, strings.Join(variables, ", "), value, strings.ReplaceAll(f.Help, "|", `\|`))
}

// TestSymptoms: the messages that docs/operating.md explains are ones that the
// program prints.
func TestSymptoms(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "<!-- symptoms:")
	table, _, _ := strings.Cut(rest, "<!-- end of symptoms -->")
	said := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1)
	if len(said) < 15 {
		t.Fatalf("the page explains %d messages", len(said))
	}
	text := programText(t)
	for _, m := range said {
		for fragment := range strings.SplitSeq(m[1], "…") {
			if !strings.Contains(text, strings.TrimSpace(fragment)) {
				t.Errorf("docs/operating.md explains `%s`, but the program never says %q", m[1], fragment)
			}
		}
	}
}

// programText returns the sources of the program, without tests.
func programText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join("..", ".."), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		b, err := os.ReadFile(file)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
