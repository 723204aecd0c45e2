//go:build !unix

package blob

// syncDir does nothing: these systems offer no way to sync a directory.
func syncDir(string) error { return nil }
