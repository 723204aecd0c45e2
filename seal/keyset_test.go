package seal_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
)

var home = seal.Location{Table: "channel", Company: 7, Row: "42", Column: "token"}

func newKeyset(t testing.TB) (*seal.Keyset, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	k, err := seal.OpenOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func mustSeal(t testing.TB, k *seal.Keyset, plain string) []byte {
	t.Helper()
	sealed, err := k.Seal([]byte(plain), home)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpen(t testing.TB, k *seal.Keyset, sealed []byte, want string) {
	t.Helper()
	got, err := k.Open(sealed, home)
	if err != nil || string(got) != want {
		t.Errorf("Open = %q, %v; want %q", got, err, want)
	}
}

func TestSealOpens(t *testing.T) {
	t.Parallel()
	k, _ := newKeyset(t)
	for _, plain := range []string{"", "x", "123456:ABC-secret", strings.Repeat("long ", 100_000)} {
		sealed := mustSeal(t, k, plain)
		wantOpen(t, k, sealed, plain)
		if len(sealed) != len(plain)+33 {
			t.Errorf("%d bytes for %d, want 33 more", len(sealed), len(plain))
		}
		if len(plain) > 4 && bytes.Contains(sealed, []byte(plain)) {
			t.Error("the ciphertext holds the text")
		}
		if bytes.Equal(sealed, mustSeal(t, k, plain)) {
			t.Error("sealed twice the same")
		}
	}
}

func TestOpenRefusesOtherLocation(t *testing.T) {
	t.Parallel()
	k, _ := newKeyset(t)
	sealed := mustSeal(t, k, "hunter2")
	tests := []struct {
		name string
		at   seal.Location
	}{
		{"other row", seal.Location{Table: "channel", Company: 7, Row: "43", Column: "token"}},
		{"other company", seal.Location{Table: "channel", Company: 8, Row: "42", Column: "token"}},
		{"negative company", seal.Location{Table: "channel", Company: -7, Row: "42", Column: "token"}},
		{"other table", seal.Location{Table: "session", Company: 7, Row: "42", Column: "token"}},
		{"other column", seal.Location{Table: "channel", Company: 7, Row: "42", Column: "password"}},
		{"shifted border", seal.Location{Table: "channel4", Company: 7, Row: "2", Column: "token"}},
		{"shifted border right", seal.Location{Table: "channel", Company: 7, Row: "42t", Column: "oken"}},
		{"swapped", seal.Location{Table: "channel", Company: 7, Row: "token", Column: "42"}},
		{"nowhere", seal.Location{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := k.Open(sealed, tt.at)
			if parley.KindOf(err) != parley.KindInternal || got != nil {
				t.Fatalf("Open = %q, %v; want an internal error", got, err)
			}
			if !strings.Contains(err.Error(), tt.at.String()) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error should name %s and no data: %v", tt.at, err)
			}
		})
	}
}

func TestOpenRefusesDamage(t *testing.T) {
	t.Parallel()
	k, _ := newKeyset(t)
	other, _ := newKeyset(t)
	sealed := mustSeal(t, k, "hunter2")
	for i := range len(sealed) * 8 {
		bad := bytes.Clone(sealed)
		bad[i/8] ^= 1 << (i % 8)
		wantRefused(t, k, bad, "bit flipped")
	}
	for n := range sealed {
		wantRefused(t, k, sealed[:n], "cut")
	}
	wantRefused(t, k, append(bytes.Clone(sealed), 0), "longer")
	wantRefused(t, other, sealed, "other keyset")
}

func wantRefused(t *testing.T, k *seal.Keyset, sealed []byte, how string) {
	t.Helper()
	if got, err := k.Open(sealed, home); parley.KindOf(err) != parley.KindInternal || got != nil {
		t.Errorf("%s: Open = %q, %v; want an internal error", how, got, err)
	}
}

func TestSealNeedsLocation(t *testing.T) {
	t.Parallel()
	k, _ := newKeyset(t)
	for _, at := range []seal.Location{{}, {Table: "channel"}, {Column: "token"}} {
		if _, err := k.Seal([]byte("x"), at); parley.KindOf(err) != parley.KindInternal {
			t.Errorf("Seal at %s: got %v, want an internal error", at, err)
		}
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	k, path := newKeyset(t)
	node, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	old, before, whole := mustSeal(t, k, "old"), k.Fingerprints(), k.Fingerprint()
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	after := k.Fingerprints()
	if diff := cmp.Diff(before, after[:1]); diff != "" || len(after) != 2 {
		t.Errorf("fingerprints %v became %v", before, after)
	}
	if k.Fingerprint() == whole || k.Primary() != after[1] || after[0] == after[1] {
		t.Errorf("the rotation does not show: %s %s %v", k.Fingerprint(), k.Primary(), after)
	}
	wantOpen(t, k, old, "old")
	recent := mustSeal(t, k, "new")
	if node.Primary() != before[0] {
		t.Error("a process read the file without need")
	}
	wantOpen(t, node, recent, "new") // it takes over the rotation by itself
	wantOpen(t, node, old, "old")
	if node.Fingerprint() != k.Fingerprint() {
		t.Error("the same file has two fingerprints")
	}
}

// TestRotationBeforeSealing: a process that only seals uses the new key at once.
func TestRotationBeforeSealing(t *testing.T) {
	t.Parallel()
	k, path := newKeyset(t)
	node, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := k.Reseal(mustSeal(t, node, "x"), home); err != nil || changed {
		t.Errorf("sealed with an old key after the rotation: %v, %v", changed, err)
	}
	write(t, path, "broken", 0o600)
	wantOpen(t, k, mustSeal(t, node, "still"), "still")
}

func TestResealAndForget(t *testing.T) {
	t.Parallel()
	k, path := newKeyset(t)
	old := mustSeal(t, k, "kept")
	if same, changed, err := k.Reseal(old, home); err != nil || changed || !bytes.Equal(same, old) {
		t.Errorf("resealed without a rotation: %v, %v", changed, err)
	}
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	fresh, changed, err := k.Reseal(old, home)
	if err != nil || !changed {
		t.Fatalf("reseal: %v, %v", changed, err)
	}
	if _, _, err := k.Reseal(old, seal.Location{Table: "other", Column: "secret"}); parley.KindOf(err) != parley.KindInternal {
		t.Errorf("resealed at another location: %v", err)
	}
	if err := k.Forget(); err != nil {
		t.Fatal(err)
	}
	if prints := k.Fingerprints(); len(prints) != 1 || prints[0] != k.Primary() {
		t.Errorf("keys after forgetting: %v", prints)
	}
	wantOpen(t, k, fresh, "kept")
	wantRefused(t, k, old, "forgotten")
	again, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, again, fresh, "kept")
}

func TestRotateStartsFromFile(t *testing.T) {
	t.Parallel()
	a, path := newKeyset(t)
	b, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Rotate(); err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, a, "by a")
	if err := b.Rotate(); err != nil {
		t.Fatal(err)
	}
	wantOpen(t, b, sealed, "by a")
	if n := len(b.Fingerprints()); n != 3 {
		t.Errorf("%d keys after two rotations, want 3", n)
	}
}

func TestFingerprintTellsKeysetsApart(t *testing.T) {
	t.Parallel()
	a, path := newKeyset(t)
	b, _ := newKeyset(t)
	again, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if a.Fingerprint() == b.Fingerprint() || a.Primary() == b.Primary() {
		t.Error("two keysets have one fingerprint")
	}
	if again.Fingerprint() != a.Fingerprint() || len(a.Fingerprint()) != 32 || len(a.Primary()) != 32 {
		t.Errorf("fingerprints %q and %q, want the same 32 characters", a.Fingerprint(), again.Fingerprint())
	}
}

func FuzzOpen(f *testing.F) {
	k, _ := newKeyset(f)
	sealed := mustSeal(f, k, "hunter2")
	f.Add(sealed)
	f.Add(sealed[:5])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := k.Open(data, home); err == nil && !bytes.Equal(data, sealed) {
			t.Errorf("opened what was never sealed: %q", got)
		}
	})
}
