//go:build race

package main_test

// crashRace says that the gateway is built with the race detector, as the test is.
const crashRace = true
