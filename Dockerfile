# The gateway alone in an image: a static binary, CA certificates, no shell.
#
#   docker build -t parley .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp \
#     -v parley:/data -p 127.0.0.1:8080:8080 -e PARLEY_PUBLIC_URL=https://gateway.example.com parley
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/parley ./cmd/parley
# Owned by the user below, so that a new volume is too.
RUN mkdir -m 0700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/parley /usr/local/bin/parley
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV PARLEY_DATA=/data PARLEY_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
# docker stop sends SIGTERM; give it more than two --stop-timeout: docker run --stop-timeout 60.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["/usr/local/bin/parley", "health", "--url=http://127.0.0.1:8080/readyz", "--timeout=5s"]
ENTRYPOINT ["/usr/local/bin/parley"]
CMD ["serve"]
