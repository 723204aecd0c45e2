package simulator_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

func TestFaultsRefuse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give simulator.Fault
	}{
		{"no kind", simulator.Fault{}},
		{"unknown kind", simulator.Fault{Kind: "flood"}},
		{"times below -1", simulator.Fault{Kind: "html", Times: -2}},
		{"slow without delay", simulator.Fault{Kind: "slow"}},
		{"late without delay", simulator.Fault{Kind: "late"}},
		{"trickle without delay", simulator.Fault{Kind: "trickle"}},
		{"negative delay", simulator.Fault{Kind: "slow", DelayMS: -1}},
		{"endless delay", simulator.Fault{Kind: "slow", DelayMS: 600_001}},
		{"negative retry_after", simulator.Fault{Kind: "throttle", RetryAfter: -1}},
		{"status that is no failure", simulator.Fault{Kind: "status", Status: 200}},
		{"status that does not exist", simulator.Fault{Kind: "status", Status: 600}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s simulator.Faults
			if _, err := s.Add(tt.give); parley.KindOf(err) != parley.KindInvalid {
				t.Errorf("Add(%+v) = %v, want kind invalid", tt.give, err)
			}
			if got := s.List(); len(got) != 0 {
				t.Errorf("a refused fault is listed: %+v", got)
			}
		})
	}
}

func add(t *testing.T, s *simulator.Faults, f simulator.Fault) simulator.Fault {
	t.Helper()
	f, err := s.Add(f)
	if err != nil {
		t.Fatalf("Add(%+v): %v", f, err)
	}
	return f
}

func TestFaultsDefaults(t *testing.T) {
	t.Parallel()
	var s simulator.Faults
	add(t, &s, simulator.Fault{Kind: "status"})
	add(t, &s, simulator.Fault{Kind: "throttle", Times: -1})
	want := []simulator.Fault{
		{ID: 1, Kind: "status", Times: 1, Status: 500},
		{ID: 2, Kind: "throttle", Times: -1, RetryAfter: 1},
	}
	if diff := cmp.Diff(want, s.List()); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

func TestFaultsTake(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give []simulator.Fault
		want []simulator.FaultKind // of calls sendMessage, account 1, chat 7
	}{
		{"none", nil, []simulator.FaultKind{""}},
		{"once", []simulator.Fault{{Kind: "html"}}, []simulator.FaultKind{"html", ""}},
		{"three times", []simulator.Fault{{Kind: "html", Times: 3}}, []simulator.FaultKind{"html", "html", "html", ""}},
		{"standing", []simulator.Fault{{Kind: "late", DelayMS: 1, Times: -1}}, []simulator.FaultKind{"late", "late", "late"}},
		{"counted before standing", []simulator.Fault{{Kind: "late", DelayMS: 1, Times: -1}, {Kind: "html"}}, []simulator.FaultKind{"html", "late"}},
		{"oldest first", []simulator.Fault{{Kind: "html"}, {Kind: "garbage"}}, []simulator.FaultKind{"html", "garbage", ""}},
		{"method in any case", []simulator.Fault{{Kind: "html", Method: "SENDmessage"}}, []simulator.FaultKind{"html", ""}},
		{"another method", []simulator.Fault{{Kind: "html", Method: "getMe"}}, []simulator.FaultKind{""}},
		{"the account", []simulator.Fault{{Kind: "html", Account: "1"}}, []simulator.FaultKind{"html", ""}},
		{"another account", []simulator.Fault{{Kind: "html", Account: "2"}}, []simulator.FaultKind{""}},
		{"the chat", []simulator.Fault{{Kind: "html", Chat: "7"}}, []simulator.FaultKind{"html", ""}},
		{"another chat", []simulator.Fault{{Kind: "html", Chat: "8"}}, []simulator.FaultKind{""}},
		{"callback faults are not for calls", []simulator.Fault{{Kind: "twice"}}, []simulator.FaultKind{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s simulator.Faults
			for _, f := range tt.give {
				add(t, &s, f)
			}
			for i, want := range tt.want {
				got, ok := s.Take("sendMessage", "1", "7")
				if got.Kind != want || ok != (want != "") {
					t.Errorf("Take %d = %q, %t, want %q", i, got.Kind, ok, want)
				}
			}
		})
	}
}

func TestFaultsTakeCallback(t *testing.T) {
	t.Parallel()
	var s simulator.Faults
	add(t, &s, simulator.Fault{Kind: "html"})
	add(t, &s, simulator.Fault{Kind: "reorder", Method: "message"})
	add(t, &s, simulator.Fault{Kind: "twice"})
	if f, _ := s.TakeCallback("message", "1", "7", simulator.FaultTwice); f.Kind != "twice" {
		t.Errorf("TakeCallback for twice = %q", f.Kind)
	}
	if f, ok := s.TakeCallback("my_chat_member", "1", "7"); ok {
		t.Errorf("a fault for messages met a member event: %+v", f)
	}
	if f, _ := s.TakeCallback("message", "1", "7"); f.Kind != "reorder" {
		t.Errorf("TakeCallback = %q, want reorder", f.Kind)
	}
}

func TestFaultsRemove(t *testing.T) {
	t.Parallel()
	var s simulator.Faults
	f := add(t, &s, simulator.Fault{Kind: "html", Times: -1})
	add(t, &s, simulator.Fault{Kind: "garbage"})
	if !s.Remove(f.ID) || s.Remove(f.ID) {
		t.Error("Remove must report true once, then false")
	}
	if got, _ := s.Take("getMe", "", ""); got.Kind != "garbage" {
		t.Errorf("after Remove, Take = %q, want garbage", got.Kind)
	}
	add(t, &s, simulator.Fault{Kind: "html"})
	s.Clear()
	if _, ok := s.Take("getMe", "", ""); ok {
		t.Error("a fault survived Clear")
	}
}

func TestFaultsCountUnderConcurrency(t *testing.T) {
	t.Parallel()
	var (
		s    simulator.Faults
		wg   sync.WaitGroup
		mu   sync.Mutex
		hits int
	)
	add(t, &s, simulator.Fault{Kind: "html", Times: 50})
	for range 100 {
		wg.Go(func() {
			if _, ok := s.Take("getMe", "", ""); ok {
				mu.Lock()
				hits++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if hits != 50 {
		t.Errorf("a fault of 50 times hit %d times", hits)
	}
}

func TestFaultPlay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		give      simulator.Fault
		status    int // 0: connection closed
		body      string
		processed bool
		took      time.Duration
	}{
		{simulator.Fault{}, 200, "done", true, 0},
		{simulator.Fault{Kind: "status", Status: 503}, 503, "refused 0", false, 0},
		{simulator.Fault{Kind: "throttle", RetryAfter: 9}, 429, "refused 9", false, 0},
		{simulator.Fault{Kind: "html"}, 502, "", false, 0},
		{simulator.Fault{Kind: "garbage"}, 200, `{"ok":tru`, false, 0},
		{simulator.Fault{Kind: "cut_before"}, 0, "", false, 0},
		{simulator.Fault{Kind: "cut_after"}, 0, "", true, 0},
		{simulator.Fault{Kind: "slow", DelayMS: 50}, 200, "done", true, 50 * time.Millisecond},
		{simulator.Fault{Kind: "late", DelayMS: 70}, 200, "done", true, 70 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(string(tt.give.Kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start, processedAt := time.Now(), time.Duration(-1)
				c := simulator.Call{
					Process: func() simulator.Answer {
						processedAt = time.Since(start)
						return simulator.Answer{Status: 200, Body: []byte("done")}
					},
					Refuse: func(status, retryAfter int) simulator.Answer {
						return simulator.Answer{Status: status, Body: append([]byte("refused "), byte('0'+retryAfter))}
					},
				}
				a, alive := tt.give.Play(c)
				if alive != (tt.status != 0) || a.Status != tt.status {
					t.Errorf("Play = %d, alive %t, want %d", a.Status, alive, tt.status)
				}
				if tt.body != "" && string(a.Body) != tt.body {
					t.Errorf("body %q, want %q", a.Body, tt.body)
				}
				if got := processedAt >= 0; got != tt.processed {
					t.Errorf("processed %t, want %t", got, tt.processed)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.give.Kind == "late" && processedAt != 0 {
					t.Errorf("late processed after %v, want at once", processedAt)
				}
				if tt.give.Kind == "slow" && processedAt != tt.took {
					t.Errorf("slow processed after %v, want %v", processedAt, tt.took)
				}
			})
		})
	}
}

func TestFaultPlayEndsWithTheSimulator(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	close(done)
	c := simulator.Call{
		Done:    done,
		Process: func() simulator.Answer { return simulator.Answer{Status: 200} },
		Refuse:  func(status, _ int) simulator.Answer { return simulator.Answer{Status: status} },
	}
	if a, _ := (simulator.Fault{Kind: "slow", DelayMS: 600_000}).Play(c); a.Status != 500 {
		t.Errorf("slow at a closed simulator = %d, want 500", a.Status)
	}
	if _, alive := (simulator.Fault{Kind: "late", DelayMS: 600_000}).Play(c); alive {
		t.Error("late at a closed simulator answered")
	}
}
