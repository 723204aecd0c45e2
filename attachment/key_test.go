package attachment

import "testing"

// TestOwnKey: every key that is made is known again, and others are not ours to
// delete.
func TestOwnKey(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"upload", "1", "9007199254740993"} {
		if key := newKey(prefix); !OwnKey(key) {
			t.Errorf("%s is not known", key)
		}
	}
	for _, key := range []string{"", "upload-", "upload-x", "photo.jpg", "parley-blobs-id", "parley-check-00112233445566778899aabbccddeeff", "x" + newKey("1"), newKey("1") + "a"} {
		if OwnKey(key) {
			t.Errorf("%s counts as ours", key)
		}
	}
}
