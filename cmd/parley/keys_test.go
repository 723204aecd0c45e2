package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

// TestRotateKeysWhileRunning: a running gateway takes over each rotation, with
// traffic both ways and new secrets all the while.
func TestRotateKeysWhileRunning(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		ann := s.meet("ann", "hello")
		token := s.secrets()["token"].Reveal()
		first := s.gateway.config.keyset()
		var args []string
		if database != "" {
			if got := refused(t, s.place, "keys", "rotate"); !strings.Contains(got, "--shared") {
				t.Errorf("beside another node: %s", got)
			}
			args = append(args, "--shared")
		}
		for n := range 3 {
			in, out := fmt.Sprint("in ", n), fmt.Sprint("out ", n)
			s.say("ann", in)
			printed := s.cli(append([]string{"keys", "rotate"}, args...)...)
			if !regexp.MustCompile(`sealed anew: [1-9]`).MatchString(printed) || !strings.Contains(printed, fmt.Sprintf("older backups: %d\n", n+1)) {
				t.Errorf("rotate printed %q", printed)
			}
			if h := s.crm.next("message/new"); h.Data.Message != in {
				t.Errorf("webhook: %+v", h)
			}
			s.delivered(s.post(ann, out), out)
			if got := s.secrets()["token"].Reveal(); got != token {
				t.Error("the channel's token is another")
			}
		}
		// What the running gateway seals now needs none of the old keys.
		s.crm.trust(s.api.must("POST", s.path("/webhook_secret")).Secret)
		if got := refused(t, s.place, append([]string{"keys", "rotate", "--forget-old"}, args...)...); !strings.Contains(got, "in use by") {
			t.Errorf("forgot beside a gateway: %s", got)
		}
		s.stop()
		if printed := s.cli("keys", "rotate", "--forget-old"); !strings.Contains(printed, "removed older keys: 4;") {
			t.Errorf("forget printed %q", printed)
		}
		keys, err := seal.Open(first)
		if err != nil || len(keys.Fingerprints()) != 1 {
			t.Errorf("keys left: %d, %v", len(keys.Fingerprints()), err)
		}
		s.start()
		if got := s.secrets()["token"].Reveal(); got != token {
			t.Error("the channel's token is another")
		}
		s.delivered(s.post(ann, "with one key"), "with one key")
		if f, err := store.Examine(t.Context(), store.Options{Path: s.place.file(), URL: database}); err != nil || f.Keyset != keys.Primary() {
			t.Errorf("the database belongs to key %s, %v; want %s", f.Keyset, err, keys.Primary())
		}
	})
}
