package store

import "github.com/parley-im/parley"

// What may wait in a lane, of one sort.
const (
	MaxWaiting      = maxWaiting
	MaxWaitingBytes = maxWaitingBytes
	TellEvery       = tellEvery
)

// SameLane reports whether two companies are on one lane.
func SameLane(db *DB, a, b parley.CompanyID) bool { return db.laneOf(a) == db.laneOf(b) }
