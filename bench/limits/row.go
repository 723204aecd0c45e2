package limits

import (
	"fmt"
	"strings"
)

// rowText and rowPayload make a row of some 400 bytes, as a message is.
const rowText = "Hello, is my order on its way? It should have been here on Tuesday, please have a look."

var rowPayload = []byte(strings.Repeat("x", 200))

// row is what differs between rows.
type row struct {
	uid        string
	channel    int32
	externalID string
	chat       string
}

func newRow(n int) row {
	return row{fmt.Sprintf("01a2028774d77a65b190%012x", n), int32(n % 8), fmt.Sprint(1_700_000_000 + n), fmt.Sprintf("telegram:%d", n%5000)}
}
