//go:build !unix

package seal

import "os"

// lock keeps other processes from rotating the keyset at path. It does not wait:
// while another one rotates, the error is fs.ErrExist. A crash leaves the lock
// file, which the error names, to be removed by hand.
func lock(path string) (unlock func(), err error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	return func() { os.Remove(name) }, nil
}

// syncDir does nothing: these systems offer no way to sync a directory.
func syncDir(string) error { return nil }
