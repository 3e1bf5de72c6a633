# Plain Dockerfile syntax throughout, without BuildKit's extensions: some platforms build with Kaniko or the classic
# builder. Both bases are Debian 12, so that the binary meets the C library that it was linked against.

# The manifests, with empty sources beside them. COPY --from is cached by content, so the stage below that compiles
# the dependencies is reused until a manifest or the lock file changes, however often the sources do. Modes count as
# content, and differ with the umask of the clone.
FROM rust:1.95-bookworm AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock -delete \
 && find . -type d -empty -delete \
 && find . -name Cargo.toml | while read -r manifest; do \
      crate=$(dirname "$manifest"); \
      mkdir -p "$crate/src" && : >"$crate/src/lib.rs" && echo 'fn main() {}' >"$crate/src/main.rs"; \
    done \
 && chmod -R u=rwX,go=rX .

FROM rust:1.95-bookworm AS build
WORKDIR /app
COPY --from=manifests /app .
# The cargo profile: release, or fleet, which compiles faster and runs slower.
ARG PROFILE=release
# Dependencies alone. What was compiled from the empty sources is removed again: Cargo compares modification times,
# and the real sources may be older than these artefacts.
RUN cargo build --profile "$PROFILE" --locked -p buoy --bin buoy \
 && cargo clean --profile "$PROFILE" --locked -p buoy
COPY . .
# Declared only here, since a changed argument rebuilds all that follows it.
ARG COMMIT=unknown
# The binary reports this commit as its build's.
RUN BUOY_COMMIT="$COMMIT" cargo build --profile "$PROFILE" --locked --offline -p buoy --bin buoy \
 && install "target/$PROFILE/buoy" /usr/local/bin/buoy

FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=unknown
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="buoy" \
      org.opencontainers.image.description="A short-link service that stays up" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /usr/local/bin/buoy /usr/local/bin/buoy
# EMBEDDED_DATABASE: without DATABASE_URL the program stops with an error here, since a file in a container is data lost
# at the next deployment. HOST: a server on the container's loopback address would be out of everyone's reach.
ENV EMBEDDED_DATABASE=false \
    HOST=0.0.0.0 \
    PORT=8080 \
    LOG_FORMAT=json
# By number, so that a platform can see that it is not root without reading the image's /etc/passwd.
USER 65532:65532
EXPOSE 8080
# The exec form: the program is PID 1 and gets SIGTERM itself. Without an argument it serves, or runs BUOY_COMMAND.
ENTRYPOINT ["/usr/local/bin/buoy"]
