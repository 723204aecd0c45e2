package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/parley-im/parley"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// A Keyset seals and opens with the keys of one file: the primary seals, every
// key opens what it sealed. It is safe for concurrent use.
type Keyset struct {
	path string
	keys atomic.Pointer[keys]
}

// keys is what a file held at one time; it does not change.
type keys struct {
	handle  *keyset.Handle
	aead    tink.AEAD
	prefix  []byte // of every ciphertext of the primary key
	file    os.FileInfo
	primary string
	prints  []string
}

// Seal encrypts plain for one location with the primary key, by AES-256-GCM with
// a random nonce. The ciphertext is 33 bytes longer than plain and differs every
// time. It looks whether the file has changed first, so that after a rotation by
// another process nothing new is sealed with the old key. The error is of
// KindInternal.
func (k *Keyset) Seal(plain []byte, at Location) ([]byte, error) {
	if at.Table == "" || at.Column == "" {
		return nil, internal("seal "+at.String(), fmt.Errorf("the location names no table or no column"))
	}
	k.follow()
	sealed, err := k.keys.Load().aead.Encrypt(plain, at.bind())
	if err != nil {
		return nil, internal("seal "+at.String(), err)
	}
	return sealed, nil
}

// Open decrypts what Seal made for the same location. Anything else, whether
// moved, changed, cut, or sealed by a key this keyset lacks, is an error of
// KindInternal that names the location and nothing of the data. Before it fails
// it looks whether the file has changed: another process may have rotated it.
func (k *Keyset) Open(sealed []byte, at Location) ([]byte, error) {
	plain, err := k.keys.Load().aead.Decrypt(sealed, at.bind())
	if err != nil && k.follow() {
		plain, err = k.keys.Load().aead.Decrypt(sealed, at.bind())
	}
	if err != nil {
		return nil, internal("open "+at.String(), err)
	}
	return plain, nil
}

// Reseal seals anew with the primary key what another key of this keyset sealed.
// What the primary key has sealed comes back as it is, and false. The errors are
// those of Open and Seal.
func (k *Keyset) Reseal(sealed []byte, at Location) (fresh []byte, changed bool, err error) {
	if bytes.HasPrefix(sealed, k.keys.Load().prefix) {
		return sealed, false, nil
	}
	plain, err := k.Open(sealed, at)
	if err != nil {
		return nil, false, err
	}
	fresh, err = k.Seal(plain, at)
	return fresh, err == nil, err
}

// follow reads the file again if it is not the one that was read last, and
// reports whether it did. With a file that is gone or damaged the keyset goes on
// as it is.
func (k *Keyset) follow() bool {
	now, err := os.Stat(k.path)
	if err != nil {
		return false
	}
	was := k.keys.Load().file
	if os.SameFile(was, now) && was.ModTime().Equal(now.ModTime()) && was.Size() == now.Size() {
		return false
	}
	return k.Reload() == nil
}

// Fingerprint identifies the whole keyset: equal on two nodes means the same keys
// and the same primary. It changes with every rotation.
func (k *Keyset) Fingerprint() string {
	now := k.keys.Load()
	sorted := slices.Sorted(slices.Values(now.prints))
	return digest("parley keyset", now.primary+" "+strings.Join(sorted, " "))
}

// Fingerprints identifies each key, oldest first. A keyset that was rotated has
// all the fingerprints it had before and a new one.
func (k *Keyset) Fingerprints() []string { return slices.Clone(k.keys.Load().prints) }

// Path returns where the file is.
func (k *Keyset) Path() string { return k.path }

// Primary returns the fingerprint of the key that seals.
func (k *Keyset) Primary() string { return k.keys.Load().primary }

// tinkPrefix is the first byte of a ciphertext; the id of its key follows.
// Source: Tink's wire format, "Tink output prefix", read 2026-11.
const tinkPrefix = 1

func newKeys(h *keyset.Handle) (*keys, error) {
	a, err := aead.New(h)
	if err != nil {
		return nil, err
	}
	k := &keys{handle: h, aead: a}
	material := insecurecleartextkeyset.KeysetMaterial(h)
	for _, key := range material.GetKey() {
		print := fingerprint(key.GetKeyId(), key.GetKeyData().GetTypeUrl(), key.GetKeyData().GetValue())
		k.prints = append(k.prints, print)
		if key.GetKeyId() == material.GetPrimaryKeyId() {
			k.primary = print
			k.prefix = binary.BigEndian.AppendUint32([]byte{tinkPrefix}, key.GetKeyId())
		}
	}
	return k, nil
}

// fingerprint hashes a key. The keys are 256 random bits, so the hash tells
// nothing about them.
func fingerprint(id uint32, kind string, value []byte) string {
	b := binary.BigEndian.AppendUint32(nil, id)
	return digest("parley key", string(b)+kind+"\x00"+string(value))
}

// digest returns 128 bits of SHA-256 in hex, apart from other uses by its label.
func digest(label, data string) string {
	sum := sha256.Sum256([]byte(label + "\x00" + data))
	return hex.EncodeToString(sum[:16])
}

func internal(doing string, cause error) error {
	return &parley.Error{Kind: parley.KindInternal, Code: "seal", Message: doing, Err: cause}
}
