// Package parley holds the nouns of the gateway: channels, conversations,
// messages, jobs, events, and the kinds of error that connect them. It depends
// on the standard library alone, and every other package depends on it.
//
// What is here is data and the rules that hold for the data wherever it goes:
// which state may follow which, which ack may replace which. How it is stored
// is package store's matter, how it looks outside package api's and render's.
package parley
