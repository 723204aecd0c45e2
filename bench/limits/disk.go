package limits

import (
	"context"
	"errors"
	"os"
)

// disk appends to a file, and waits after each write until it is durable.
func disk(ctx context.Context, o Options) (f Figure, err error) {
	file, err := os.CreateTemp(o.Dir, "limits-*")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	block, writes := make([]byte, 4096), 0
	took, h, err := timed(ctx, o.Duration, func() error {
		writes++
		if _, err := file.Write(block); err != nil {
			return err
		}
		return fdatasync(file)
	})
	if err != nil {
		return f, err
	}
	return Figure{Rate: float64(writes) / took.Seconds(), Latencies: h.Latencies()}, nil
}
