package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// A later case is one that cannot be played without a provider that this build
// does not have. What of it is about the API alone is tested all the same, as a
// plain test.
type later struct{ number, provider, what string }

// laterCases are the only cases of the contract that no test plays.
func laterCases() []later {
	return []later{
		{"050", "whatsapp", "created, then a QR code by webhook"},
		{"059", "telegram_personal", "created, then a QR code by webhook"},
		{"063", "instagram_business", "created with its pages"},
		{"073", "instagram_business", "a page is enabled"},
		{"075", "instagram_business", "a page that is not the account's"},
		{"087", "whatsapp", "whether somebody can be reached"},
		{"089", "whatsapp", "a first message is delivered"},
		{"090", "telegram_personal", "a code is requested"},
		{"091", "telegram_personal", "a code is requested without naming the provider"},
		{"094", "telegram_personal", "the right code"},
		{"095", "telegram_personal", "the right code as a number"},
		{"096", "telegram_personal", "a wrong code"},
		{"097", "telegram_personal", "a code, then a password"},
		{"099", "telegram_personal", "a code that nobody requested"},
		{"100", "instagram", "a challenge"},
		{"101", "instagram", "a second factor is requested"},
		{"103", "instagram", "a code, then a second factor is wanted"},
		{"104", "instagram", "a second factor"},
		{"109", "telegram_personal", "a conversation by user name, whose job runs"},
		{"141", "instagram", "the account is disabled"},
	}
}

const lastCase = 141

var caseNumber = regexp.MustCompile(`\{number: "(\d{3})"`)

// playedCases returns the numbers of the cases that the tests of api and of this
// package play.
func playedCases(t *testing.T) map[string]int {
	t.Helper()
	played := map[string]int{}
	for _, pattern := range []string{"*_test.go", "../../api/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range caseNumber.FindAllSubmatch(source, -1) {
				played[string(found[1])]++
			}
		}
	}
	return played
}

// TestAcceptanceComplete: every case of the contract is played, or waits for a
// provider that is not in the build.
func TestAcceptanceComplete(t *testing.T) {
	t.Parallel()
	played, built := playedCases(t), names(providers())
	waits := map[string]bool{}
	for _, l := range laterCases() {
		if waits[l.number] || played[l.number] > 0 {
			t.Errorf("case %s is listed for %s, and played or listed beside", l.number, l.provider)
		}
		if slices.Contains(built, l.provider) {
			t.Errorf("case %s (%s) waits for %s, which is in the build", l.number, l.what, l.provider)
		}
		waits[l.number] = true
	}
	for n := 1; n <= lastCase; n++ {
		number := padded(n)
		if played[number] == 0 && !waits[number] {
			t.Errorf("case %s is neither played nor listed", number)
		}
		delete(played, number)
		delete(waits, number)
	}
	if len(played)+len(waits) > 0 {
		t.Errorf("the contract has no case %v %v", played, waits)
	}
}

// padded writes a number in three digits.
func padded(n int) string {
	digits := []byte{'0' + byte(n/100), '0' + byte(n/10%10), '0' + byte(n%10)}
	return string(digits)
}
