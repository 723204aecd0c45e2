// Package metrics counts and times what the services do, and serves it to
// Prometheus. It is the only package that knows of Prometheus: a service has a
// small Observer in its Config, or a function, and a Metrics is all of them.
//
// What is counted on the way of a message costs a look-up and a few atomic
// additions. What must be asked of the database is asked when it is scraped, at
// most every DepthsEvery. No label has a value that a stranger can choose:
// providers are those of the installation, routes are patterns, statuses classes.
// A value beyond what is known is "other".
//
// It is not for traces or logs, and it keeps nothing over a restart.
package metrics
