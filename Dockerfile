# The callout alone: a static binary and the CA certificates, run by nobody.
#
# In a closed network name a base image and a module proxy of your own:
#   docker build --build-arg GO_IMAGE=registry.example/golang:1.26.8 --build-arg GOPROXY=https://proxy.example .
ARG GO_IMAGE=golang:1.26.8

FROM ${GO_IMAGE} AS build
ARG GOPROXY
ARG VERSION=devel
ARG COMMIT=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -o /out/callout \
    -ldflags "-s -w -X harmony-callout/internal/version.version=${VERSION} -X harmony-callout/internal/version.commit=${COMMIT}" \
    ./cmd/callout

FROM scratch
ARG VERSION=devel
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="callout" \
      org.opencontainers.image.description="Lets NATS clients log in with Zitadel access tokens" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/callout /callout
USER 65532:65532
ENTRYPOINT ["/callout"]
CMD ["serve", "--config", "/etc/callout/callout.yaml"]
