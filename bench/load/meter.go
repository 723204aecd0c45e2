package load

import "time"

// A Meter measures what processes use from a moment on.
type Meter struct {
	watched Watched
	before  map[string]time.Duration
}

// Start begins to measure.
func (w Watched) Start() Meter { return Meter{w, w.cpu()} }

// Also adds a process that has begun since.
func (m Meter) Also(name string, pid int) {
	m.watched[name], m.before[name] = pid, 0
}

// Use returns what each tree has used since, by name; "bench" is this process and
// "others" everything else on the machine. The use for each of so many requests is
// told as well.
func (m Meter) Use(requests int64) map[string]ProcUse { return m.watched.since(m.before, requests) }

// PeakRSS is the largest resident set of a process since it began, in MiB; 0 where
// the system does not tell.
func PeakRSS(pid int) float64 { return memory(pid, "status", "VmHWM:") }
