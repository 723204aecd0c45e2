package connectortest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

// A Suite is one provider with its simulator. ServerError and Patience may be zero.
type Suite struct {
	Provider connector.Provider
	// Simulator makes a simulator without accounts that writes its own log to log.
	// It takes plain http callback addresses on loopback, and repeats a callback
	// that was refused within milliseconds. The suite closes it.
	Simulator func(log *slog.Logger) simulator.Simulator
	// Credentials makes a channel's secrets, by the names in Spec, out of the
	// answer to POST accounts.
	Credentials func(account Answer) map[string]parley.Secret
	// Nobody is the id of a chat that could exist and does not.
	Nobody string
	// ServerError is what a 5xx answer to Send means; empty is
	// parley.KindUnavailable, parley.KindUncertain is the only other choice.
	ServerError parley.Kind
	Can         Abilities

	// What follows is how the simulator plays what not every network has. Lacks
	// names what this one has not, so that nothing is left out unseen: the kinds of
	// Says, and unsupported, album, forward, edit_caption, edit_file,
	// edit_location, buttons, groups, fetch, profile and files.
	Lacks   []string
	Says    []Saying
	Strange []Strange
	// Album says three photos at once; it gets person, caption and the files
	// file1, file2, file3, and answers with message_ids.
	Album *Play
	// Forward are parameters that make what Ann says the words of somebody else.
	Forward map[string]string
	// EditCaption gets person, message_id and caption of a photo, EditFile the same
	// of a document with another file; EditLocation gets person, message_id,
	// latitude and longitude of a live location.
	EditCaption, EditFile, EditLocation *Play

	Buttons *Buttons
	Groups  *Groups
	Fetch   *Fetching  // connector.Fetcher
	Profile *Profiling // connector.Profiler
	Files   *Sending   // Plan and Send take files

	// Patience is how long a case may wait for what never comes; 0 is 30 s.
	Patience time.Duration
}

// Abilities are what the provider can do. Those that are an interface are checked
// against it, so that an ability which gets lost is noticed.
type Abilities struct {
	Verify   bool // connector.Verifier
	Callback bool // connector.Receiver and connector.Subscriber
	Poll     bool // connector.Runner
	Replies  bool // to a message, in both directions
	Edits    bool // of their messages by people
	Blocks   bool // people block us and take it back, and we are told
	Starts   bool // by a link with a payload
}

// An Answer is what the simulator's control API says: the members of an object as
// text, numbers as they are written, nested values as JSON.
type Answer map[string]string

// A group is the cases of one side of the contract.
type group struct {
	name   string
	needed bool
	cases  []check
}

type check struct {
	name   string
	needed bool
	run    func(*world)
}

// Run runs every case as a parallel subtest. It returns before they have ended,
// as t.Parallel does.
func (s Suite) Run(t *testing.T) {
	for _, g := range s.groups() {
		if !g.needed {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.cases {
				if c.needed {
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						c.run(newWorld(t, s))
					})
				}
			}
		})
	}
}

func (s Suite) groups() []group {
	return []group{
		{"spec", true, []check{{"options", true, options}, {"facts", true, facts}, {"abilities", true, abilities}, {"open", true, opens}}},
		{"verify", s.Can.Verify, verifyCases()},
		{"send", true, s.sendCases()},
		{"fault", true, s.faultCases()},
		{"content", s.Can.Callback || s.Can.Poll, s.contentCases()},
		{"group", s.Groups != nil, s.groupCases()},
		{"fetch", s.Fetch != nil, s.fetchCases()},
		{"profile", s.Profile != nil, s.profileCases()},
		{"file", true, s.fileCases()},
		{"callback", s.Can.Callback, s.callbackCases()},
		{"poll", s.Can.Poll, s.pollCases()},
		{"both", s.Can.Poll && s.Can.Callback, s.bothCases()},
		{"secrets", true, []check{{"traces", true, traces}}},
	}
}

// serverError is the kind that a 5xx answer to Send has.
func (s Suite) serverError() parley.Kind {
	if s.ServerError == "" {
		return parley.KindUnavailable
	}
	return s.ServerError
}

// patience bounds a case. Nothing waits that long unless it fails.
func (s Suite) patience() time.Duration {
	if s.Patience <= 0 {
		return 30 * time.Second
	}
	return s.Patience
}
