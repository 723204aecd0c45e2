package parley_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLinks: what the README and the pages under docs link to within the
// repository is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, broken := range brokenLinks(t, ".") {
		t.Error(broken)
	}
}

// TestLinksChecker: the check finds what it is for.
func TestLinksChecker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("README.md", "[a](docs/a.md) [web](https://example.com/x.md) [top](#top) [gone](docs/gone.md) ![pic](docs/no.png \"title\")\n"+
		"`[code](no-link.md)`\n\n```\n[code](no-link.md)\n```\n[ref]: docs/lost.md\n")
	write("docs/a.md", "[up](../README.md#top) [deep](deep/b.md?x=1) [out](../../outside.md) [space](<deep/my page.md>)")
	write("docs/deep/b.md", "[dir](../deep/) [wrong](a.md)")
	write("docs/deep/my page.md", "nothing")
	want := []string{"README.md: docs/gone.md", "README.md: docs/lost.md", "README.md: docs/no.png", "docs/a.md: ../../outside.md", "docs/deep/b.md: a.md"}
	if got := brokenLinks(t, dir); !slices.Equal(got, want) {
		t.Errorf("broken links: %q, want %q", got, want)
	}
	if got := brokenLinks(t, t.TempDir()); got != nil {
		t.Errorf("without any page: %q", got)
	}
}

var (
	codeBlock  = regexp.MustCompile("(?ms)^[ \t]*(```|~~~).*?^[ \t]*(```|~~~)[ \t]*$")
	codeSpan   = regexp.MustCompile("`[^`\n]*`")
	inlineLink = regexp.MustCompile(`\]\(\s*(?:<([^>\n]*)>|([^)\s]+))[^)\n]*\)`)
	linkTarget = regexp.MustCompile(`(?m)^[ \t]{0,3}\[[^\]\n]+\]:[ \t]*<?([^>\s]+)>?`)
)

// brokenLinks returns the relative links of README.md and docs/**/*.md below dir
// that lead nowhere, sorted. Pages that are not there have no links.
func brokenLinks(t *testing.T, dir string) []string {
	t.Helper()
	var broken []string
	for _, page := range pages(t, dir) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links(string(text)) {
			if !leads(dir, page, link) {
				name, _ := filepath.Rel(dir, page)
				broken = append(broken, filepath.ToSlash(name)+": "+link)
			}
		}
	}
	slices.Sort(broken)
	return broken
}

func pages(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err == nil {
		all = append(all, filepath.Join(dir, "README.md"))
	}
	err := filepath.WalkDir(filepath.Join(dir, "docs"), func(file string, _ fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && strings.HasSuffix(file, ".md") {
			all = append(all, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// links returns the targets of all links outside of code.
func links(text string) []string {
	text = codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "")
	var all []string
	for _, m := range inlineLink.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1]+m[2])
	}
	for _, m := range linkTarget.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// leads reports whether a link is to elsewhere, within its page, or to a file
// that is there, within dir.
func leads(dir, page, link string) bool {
	u, err := url.Parse(link)
	if err != nil {
		return false
	}
	if u.Scheme != "" || u.Host != "" || u.Path == "" {
		return true
	}
	target := filepath.Join(filepath.Dir(page), filepath.FromSlash(u.Path))
	if strings.HasPrefix(u.Path, "/") {
		target = filepath.Join(dir, filepath.FromSlash(u.Path))
	}
	below, err := filepath.Rel(dir, target)
	if err != nil || below == ".." || strings.HasPrefix(below, ".."+string(filepath.Separator)) {
		return false
	}
	_, err = os.Stat(target)
	return err == nil
}

var testName = regexp.MustCompile(`\bTest[A-Z]\w*`)

// TestGuarantees: the tests that docs/guarantees.md names exist.
func TestGuarantees(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("docs", "guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := testNames(t)
	named := testName.FindAllString(string(page), -1)
	if len(named) < 20 {
		t.Errorf("the page names %d tests", len(named))
	}
	for _, name := range named {
		if !known[name] {
			t.Errorf("docs/guarantees.md names %s, which does not exist", name)
		}
	}
}

// testNames returns the names of all tests in the tree.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
	known := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			known[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}
