//go:build unix

package load

import (
	"syscall"
	"time"
)

// OwnCPU is the CPU time that this process has used.
func OwnCPU() time.Duration {
	var use syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
