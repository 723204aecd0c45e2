//go:build !race

package main_test

// crashRace says that the gateway is built without the race detector, as the test is.
const crashRace = false
