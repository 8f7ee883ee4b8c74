public import MusterMetrics
public import MusterProtocol

/// Counts the store's work since it was created, for the metrics.
public final class StoreCounts: Sendable {
    private let numbers = Cells(5)
    private let outcomes = Cells(Outcome.allCases.count)
    private let lag = Cells(2)

    init() {}

    func looked(for calls: Int) {
        numbers.add(at: 0)
        numbers.add(calls, at: 1)
    }

    /// Counts the sets of attributes that a read computed: from all users, and from changed users only.
    func workedOut(scans: Int, advances: Int) {
        numbers.add(scans, at: 3)
        numbers.add(advances, at: 4)
    }

    /// Attributes that reads scanned for all users who have them.
    var attributeScans: Int { numbers[3] }

    /// Counts an import that was answered with this receipt.
    public func imported(_ receipt: Receipt) {
        numbers.add(at: 2)
        for (index, outcome) in Outcome.allCases.enumerated() { outcomes.add(receipt[outcome], at: index) }
    }

    /// Records the backlog that the last maintenance pass found.
    func sawSets(_ sets: Int, changesNotCompacted: Int64) {
        lag.add(sets - lag[0], at: 0)
        lag.add(Int(changesNotCompacted) - lag[1], at: 1)
    }

    /// Writes the counters to a page.
    public func write(to page: inout Exposition) {
        page.counter("muster_looks_total", "Statements that read the state of a workspace's sets.", numbers[0])
        page.counter("muster_look_calls_total", "Calls that those statements served; they share them.", numbers[1])
        page.counter(
            "muster_attribute_scans_total", "Attributes that looks read of all users who have them.", numbers[3])
        page.counter(
            "muster_attribute_advances_total", "Attributes that looks read of those users alone who changed.",
            numbers[4])
        page.gauge("muster_sets", "Stored sets, as of the last maintenance pass.", lag[0])
        page.gauge(
            "muster_changes_not_compacted", "Changes that no snapshot holds yet, as of the last maintenance pass.",
            lag[1])
        page.counter("muster_imports_total", "Imports that were answered, repeats of answers included.", numbers[2])
        page.counter(
            "muster_import_identifiers_total", "What became of the identifiers of imports.",
            Outcome.allCases.enumerated().map { .init(["outcome": $1.rawValue], outcomes[$0]) })
    }
}

/// The size of a cache, with its hits, misses and evictions.
struct CacheUsage: Sendable {
    var entries = 0
    var bytes = 0
    var hits = 0
    var misses = 0
    var evictions = 0
}

extension Store {
    /// Writes the store's counters and the usage of its caches to a page.
    public func writeMetrics(to page: inout Exposition) {
        counts.write(to: &page)
        if let journal {
            page.gauge(
                "muster_erasure_journal_writable", "1 while the journal of erasures can be written, else 0.",
                journal.isWritable ? 1 : 0)
            page.counter(
                "muster_erasures_journalled_total", "Lines that were written to the journal of erasures.",
                journal.lineCount)
        }
        let caches = [("sets", cache.usage), ("derived", derived.usage), ("users", seenUsers.usage)]
        func samples(_ figure: KeyPath<CacheUsage, Int>) -> [Exposition.Sample] {
            caches.map { .init(["cache": $0.0], $0.1[keyPath: figure]) }
        }
        page.gauge("muster_cache_entries", "Entries of a cache.", samples(\.entries))
        page.gauge("muster_cache_bytes", "Bytes of a cache.", samples(\.bytes))
        page.counter("muster_cache_hits_total", "Questions that a cache could answer.", samples(\.hits))
        page.counter("muster_cache_misses_total", "Questions that a cache could not answer.", samples(\.misses))
        page.counter(
            "muster_cache_evictions_total", "Entries that had to make room for others.", samples(\.evictions))
        directories.usage.write(to: &page)
    }
}
