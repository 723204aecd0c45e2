package seal

import (
	"encoding/binary"
	"fmt"
)

// A Location is the place in the database that a ciphertext belongs to. Table and
// Column are required; Row is the row's key in text, empty where the company alone
// is the key; Company is 0 where the row belongs to no company.
type Location struct {
	Table   string
	Company int64
	Row     string
	Column  string
}

// String names the place for error texts.
func (l Location) String() string {
	return fmt.Sprintf("%s.%s of row %q, company %d", l.Table, l.Column, l.Row, l.Company)
}

// bind encodes the place as associated data. Every text carries its length, so no
// two places have the same encoding.
func (l Location) bind() []byte {
	b := []byte("parley.seal.1")
	b = binary.BigEndian.AppendUint64(b, uint64(l.Company))
	for _, s := range []string{l.Table, l.Row, l.Column} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}
