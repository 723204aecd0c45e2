//go:build !linux

package limits

import "os"

// fdatasync also writes the file's times here.
func fdatasync(f *os.File) error { return f.Sync() }
