//go:build !unix

package load

import "time"

// OwnCPU is not told here.
func OwnCPU() time.Duration { return 0 }
