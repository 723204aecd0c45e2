package connectortest

import (
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

func verifyCases() []check {
	return []check{
		{"right", true, verifyRight},
		{"wrong", true, verifyWrong},
		{"revoked", true, verifyRevoked},
		{"not known yet", true, verifyLater},
	}
}

func (w *world) verify(c connector.Client) (connector.Account, error) {
	w.Helper()
	v, ok := c.(connector.Verifier)
	if !ok {
		w.Fatal("the client is no connector.Verifier")
	}
	a, err := v.Verify(w.ctx)
	return a, w.seen(err)
}

func verifyRight(w *world) {
	got, err := w.verify(w.client)
	if err != nil || got.ID != w.account {
		w.Errorf("Verify: got account %q and error %v, want %q", got.ID, err, w.account)
	}
}

// verifyWrong uses credentials as they should look, which another server gave.
func verifyWrong(w *world) {
	other := newWorld(w.T, w.suite)
	w.trace.guard(other.account, other.channel.Secrets)
	_, err := w.verify(w.open(other.channel))
	w.has("Verify with another server's credentials", err, parley.KindLoggedOut)
}

func verifyRevoked(w *world) {
	chat := w.say("Ann", "hello").chat
	w.post("revoke", values("account", w.account))
	_, err := w.verify(w.client)
	w.has("Verify after the credentials were revoked", err, parley.KindLoggedOut)
	_, err = w.send(w.ctx, w.part(chat, "hello"))
	w.has("Send after the credentials were revoked", err, parley.KindLoggedOut)
}

// verifyLater: nothing but a clear answer may end a channel.
func verifyLater(w *world) {
	for _, fault := range []simulator.FaultKind{simulator.FaultStatus, simulator.FaultHTML, simulator.FaultGarbage,
		simulator.FaultCutBefore, simulator.FaultCutAfter, simulator.FaultThrottle} {
		w.fault(fault)
		_, err := w.verify(w.client)
		w.has("Verify with fault "+string(fault), err, parley.KindUnavailable, parley.KindThrottled, parley.KindUncertain)
	}
	if _, err := w.verify(w.client); err != nil {
		w.Errorf("Verify after the faults: %v", err)
	}
}
