package load

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Watched is a set of process trees whose CPU time and memory are reported
// beside a run's results.
type Watched map[string]int

// String is empty: as a flag, Watched has no default.
func (w Watched) String() string { return "" }

// Set adds a tree, given as name=pid.
func (w Watched) Set(s string) error {
	name, id, ok := strings.Cut(s, "=")
	pid, err := strconv.Atoi(id)
	if !ok || err != nil {
		return errors.New("want name=pid")
	}
	w[name] = pid
	return nil
}

// ProcUse is what one process tree used.
type ProcUse struct {
	CPU    float64 `json:"cpu_s"`
	PerReq float64 `json:"cpu_us_per_req"`
	RSS    float64 `json:"rss_mb"`      // of the tree's root
	Peak   float64 `json:"rss_peak_mb"` // the most that RSS has been since the process began
	PSS    float64 `json:"pss_mb"`      // of the whole tree
}

const tick = time.Second / 100 // USER_HZ

// cpu returns the CPU time of each tree so far, of this process as "bench",
// and of everything else on the machine as "others".
func (w Watched) cpu() map[string]time.Duration {
	use := map[string]time.Duration{}
	procs := listProcs()
	for name, root := range w {
		for pid, p := range procs {
			if procs.under(pid, root) {
				use[name] += p.cpu
			}
		}
	}
	use["bench"] = OwnCPU()
	use["others"] = machineCPU()
	for name, d := range use {
		if name != "others" {
			use["others"] -= d
		}
	}
	return use
}

// machineCPU is the time that the machine's CPUs have been busy.
func machineCPU() (busy time.Duration) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0
	}
	for i, s := range f[1:9] { // user nice system idle iowait irq softirq steal
		if i == 3 || i == 4 {
			continue
		}
		n, _ := strconv.Atoi(s)
		busy += time.Duration(n) * tick
	}
	return busy
}

// since reports the use of each tree since an earlier call of cpu.
func (w Watched) since(before map[string]time.Duration, reqs int64) map[string]ProcUse {
	after := w.cpu()
	procs := listProcs()
	out := map[string]ProcUse{}
	for name, a := range after {
		d := a - before[name]
		u := ProcUse{CPU: d.Seconds()}
		if reqs > 0 {
			u.PerReq = float64(d.Microseconds()) / float64(reqs)
		}
		root := w[name]
		switch name {
		case "bench":
			root = os.Getpid()
		case "others":
			out[name] = ProcUse{CPU: u.CPU}
			continue
		}
		u.RSS = memory(root, "status", "VmRSS:")
		u.Peak = memory(root, "status", "VmHWM:")
		for pid := range procs {
			if procs.under(pid, root) {
				u.PSS += memory(pid, "smaps_rollup", "Pss:")
			}
		}
		out[name] = u
	}
	return out
}

type procs map[int]struct {
	parent int
	cpu    time.Duration // with its reaped children's
}

func (p procs) under(pid, root int) bool {
	for range 32 {
		if pid == root {
			return true
		}
		pid = p[pid].parent
	}
	return false
}

func listProcs() procs {
	list := procs{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range files {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// The command's name, in parentheses, may have anything in it.
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 15 {
			continue
		}
		p := list[pid]
		p.parent, _ = strconv.Atoi(f[1])
		for _, s := range f[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(s)
			p.cpu += time.Duration(n) * tick
		}
		list[pid] = p
	}
	return list
}

// memory returns a kB field of a file of /proc/<pid>, in MiB.
func memory(pid int, file, field string) float64 {
	b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == field {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1024
		}
	}
	return 0
}
