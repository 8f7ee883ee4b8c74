# The server and the operator's command. Build: docker build -t muster .
FROM swift:6.2-bookworm AS build
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends pkg-config libpq-dev libssl-dev libsimdjson-dev libzip-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The dependencies first, so that they are rebuilt only when they change.
COPY Package.swift ./
RUN swift package resolve
COPY sql ./sql
COPY Sources ./Sources
# The manifest names these targets too, so their folders must exist.
COPY Tests ./Tests
COPY Benchmarks ./Benchmarks
RUN swift build -c release --static-swift-stdlib --product muster-server \
    && swift build -c release --static-swift-stdlib --product muster \
    && mkdir /out \
    && cp .build/release/muster-server .build/release/muster /out/

FROM debian:bookworm-slim
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends ca-certificates libpq5 libssl3 libsimdjson14 libstdc++6 libzip4 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home --uid 7878 muster
COPY --from=build /out/ /usr/local/bin/
USER muster
# By default Swift's crash report prints the memory behind each register, which may be personal data.
ENV SWIFT_BACKTRACE=enable=no
EXPOSE 7878 7880 7881
# No shell: SIGTERM must reach the server.
ENTRYPOINT ["/usr/local/bin/muster-server"]
