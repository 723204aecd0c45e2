# make test is what CI runs. It needs Go and a C compiler (for the race detector).
# With PARLEY_TEST_POSTGRES=postgres://user:password@host/postgres the tests of the
# database run on PostgreSQL too; the user must be allowed to create databases.

GO      ?= go
FUZZ    ?= 3000x

.PHONY: test check race fuzz bench build clean

test: check race fuzz

# Formatting, vet, staticcheck.
check:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

race:
	$(GO) test -race -timeout 15m ./...

# So many inputs to every fuzz target; FUZZ=10m for a long run. A count by default:
# go test reports a run that ends by the clock as failed now and then.
fuzz:
	@grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's|/[^/]*:[0-9]+:func | |' | sort -u | while read -r dir target; do \
		echo "fuzz $$dir $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ) -fuzzminimizetime 100x $$dir || exit 1; \
	done

# Everything that is measured: the whole gateway, each figure with its target and what the machine can do at most, about a quarter of
# an hour on an idle machine (the first time more, to fill a database); then the Go benchmarks against an earlier revision, in turns.
# BASE=REVISION names that; the newest tag by default. SUITE="-run receive -d 5s" are flags of the suite; -h lists them.
bench: build
	$(GO) run ./bench suite $(SUITE)
	$(GO) run ./bench compare -base "$(BASE)"

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="-s -w" -o bin/parley ./cmd/parley

clean:
	rm -rf bin
