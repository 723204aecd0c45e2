package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// answer is what the generator wants to know of a response.
type answer struct {
	status     int
	retryAfter bool  // it says when to come again
	bytes      int64 // of the body
	last       bool  // the server closes the connection
}

// framing says how long a response's body is.
type framing struct {
	length  int64 // -1: not told
	chunked bool
}

// readResponse reads an HTTP/1 response to its end. It parses four headers only,
// in the connection's own buffer, because the generator shares its processors
// with what it measures.
func readResponse(r *bufio.Reader) (answer, error) {
	for {
		a, err := readStatus(r)
		if err != nil {
			return answer{}, err
		}
		f, err := readHeaders(r, &a)
		if err != nil {
			return answer{}, err
		}
		if a.status/100 == 1 {
			continue // 100 Continue and the like come before the answer
		}
		if a.status != 204 && a.status != 304 {
			err = f.skip(r, &a)
		}
		return a, err
	}
}

func readStatus(r *bufio.Reader) (a answer, err error) {
	line, err := readLine(r)
	if err != nil {
		return a, err
	}
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1."))
	if !ok || len(rest) < 5 || rest[1] != ' ' || len(rest) > 5 && rest[5] != ' ' {
		return a, fmt.Errorf("not an HTTP/1 response: %.40q", line)
	}
	for _, c := range rest[2:5] {
		if c < '0' || c > '9' {
			return a, fmt.Errorf("not an HTTP/1 response: %.40q", line)
		}
		a.status = a.status*10 + int(c-'0')
	}
	a.last = rest[0] == '0'
	return a, nil
}

func readHeaders(r *bufio.Reader, a *answer) (framing, error) {
	f := framing{length: -1}
	for {
		line, err := readLine(r)
		if err != nil {
			return f, noEOF(err)
		}
		if len(line) == 0 {
			return f, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return f, fmt.Errorf("not a header: %.40q", line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "content-length"):
			if f.length, err = strconv.ParseInt(string(value), 10, 64); err != nil || f.length < 0 {
				return f, fmt.Errorf("not a length: %.40q", value)
			}
		case is(name, "transfer-encoding"):
			f.chunked = is(value, "chunked")
		case is(name, "connection"):
			a.last = is(value, "close") || a.last && !is(value, "keep-alive")
		case is(name, "retry-after"):
			a.retryAfter = true
		}
	}
}

// is compares without regard to case; lower is in lower case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func (f framing) skip(r *bufio.Reader, a *answer) (err error) {
	switch {
	case f.chunked:
		a.bytes, err = skipChunks(r)
	case f.length >= 0:
		a.bytes, err = io.CopyN(io.Discard, r, f.length)
	default:
		a.last = true
		a.bytes, err = io.Copy(io.Discard, r)
	}
	return noEOF(err)
}

func skipChunks(r *bufio.Reader) (total int64, err error) {
	for {
		line, err := readLine(r)
		if err != nil {
			return total, err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
		if err != nil || n < 0 {
			return total, fmt.Errorf("not a chunk's size: %.40q", size)
		}
		if n == 0 {
			return total, skipTrailer(r)
		}
		if _, err := io.CopyN(io.Discard, r, n); err != nil {
			return total, err
		}
		total += n
		if end, err := readLine(r); err != nil || len(end) > 0 {
			return total, errors.Join(errors.New("a chunk is longer than it says"), err)
		}
	}
}

func skipTrailer(r *bufio.Reader) error {
	for {
		if line, err := readLine(r); err != nil || len(line) == 0 {
			return err
		}
	}
}

// readLine returns a line without its end. It is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		if len(line) > 0 {
			err = noEOF(err)
		}
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// noEOF: an end amid a response is not its end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
