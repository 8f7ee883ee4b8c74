/// A page of metrics in Prometheus' text format, version 0.0.4.
///
/// Values of a label come from a fixed set, never from a caller.
public struct Exposition: Sendable {
    /// The page's `Content-Type`.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// A sample: its labels and its value.
    public struct Sample: Sendable {
        let labels: KeyValuePairs<String, String>
        let value: Double

        /// Makes a sample with these labels.
        public init(_ labels: KeyValuePairs<String, String> = [:], _ value: Double) {
            self.labels = labels
            self.value = value
        }

        /// Makes a sample of a count with these labels.
        public init(_ labels: KeyValuePairs<String, String> = [:], _ value: Int) { self.init(labels, Double(value)) }
    }

    /// The page so far.
    public private(set) var text = ""

    /// Makes an empty page.
    public init() {}

    /// Adds a counter with labels.
    public mutating func counter(_ name: String, _ help: String, _ samples: [Sample]) {
        add(name, "counter", help, samples)
    }

    /// Adds a counter without labels.
    public mutating func counter(_ name: String, _ help: String, _ value: Int) {
        counter(name, help, [.init([:], value)])
    }

    /// Adds a gauge with labels.
    public mutating func gauge(_ name: String, _ help: String, _ samples: [Sample]) {
        add(name, "gauge", help, samples)
    }

    /// Adds a gauge without labels.
    public mutating func gauge(_ name: String, _ help: String, _ value: Int) { gauge(name, help, [.init([:], value)]) }

    /// Adds a histogram of durations with one label.
    public mutating func histogram(
        _ name: String, _ help: String, by label: String, _ series: [(value: String, snapshot: HistogramSnapshot)]
    ) {
        begin(name, "histogram", help)
        for (value, snapshot) in series {
            var sum = 0
            for (bound, count) in zip(Histograms.bounds.map(Self.number) + ["+Inf"], snapshot.buckets) {
                sum += count
                line("\(name)_bucket", [label: value, "le": bound], Double(sum))
            }
            line("\(name)_sum", [label: value], snapshot.seconds)
            line("\(name)_count", [label: value], Double(snapshot.count))
        }
    }

    private mutating func add(_ name: String, _ type: String, _ help: String, _ samples: [Sample]) {
        begin(name, type, help)
        for sample in samples { line(name, sample.labels, sample.value) }
    }

    private mutating func begin(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func line(_ name: String, _ labels: KeyValuePairs<String, String>, _ value: Double) {
        let inside = labels.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
        text += "\(name)\(inside.isEmpty ? "" : "{\(inside)}") \(Self.number(value))\n"
    }

    private static func number(_ value: Double) -> String {
        Int(exactly: value).map(String.init) ?? "\(value)"
    }

    private static func escaped(_ value: String) -> String {
        value.map { $0 == "\\" ? "\\\\" : $0 == "\"" ? "\\\"" : $0 == "\n" ? "\\n" : String($0) }.joined()
    }
}
