import MusterMetrics

/// The directories of a server, for its metrics.
struct DirectoryUsage: Sendable {
    var directories = 0
    var identifiers = 0
    /// With the estimate for the one that is loading.
    var bytes = 0
    var loading = 0
    var loads = 0
    var failures = 0
    var tooLarge = 0
    var evictions = 0
    /// Those that were behind the log.
    var dropped = 0

    func write(to page: inout Exposition) {
        page.gauge("muster_directories", "Identity directories in memory.", directories)
        page.gauge("muster_directory_identifiers", "Identifiers that they hold.", identifiers)
        page.gauge(
            "muster_directory_bytes", "Memory of identity directories, with an estimate for the one that is loading.",
            bytes)
        page.gauge("muster_directory_loading", "1 while an identity directory is loading, else 0.", loading)
        page.counter(
            "muster_directory_loads_total", "Loads of identity directories, by how they ended.",
            [("done", loads), ("failed", failures), ("too_large", tooLarge)].map { .init(["outcome": $0], $1) })
        page.counter(
            "muster_directory_evictions_total", "Identity directories that had to make room for others.", evictions)
        page.counter(
            "muster_directory_drops_total", "Identity directories that the log of identifiers did not reach back to.",
            dropped)
    }
}
