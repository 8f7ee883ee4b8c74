public import MusterMetrics
public import MusterProtocol

/// The protocol over which a call arrived.
public enum Wire: String, Sendable, CaseIterable {
    case rpc, rest
}

/// The place of a method among those that are counted. Found once for each route, so that a call needs no look-up.
struct MethodIndex: Sendable {
    /// The methods of `allCalls`, and `other`: text from callers never becomes a label.
    static let names = allCalls.map { $0.method } + ["other"]
    private static let values = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })

    let value: Int

    init(_ method: String) { value = Self.values[method] ?? Self.names.count - 1 }

    static let open = MethodIndex(OpenSession.method)
    /// Whether it stands for several methods.
    var isOther: Bool { value == Self.names.count - 1 }
}

/// Counts the calls of one server by wire, method and code, and records their durations. A method is one of `allCalls`
/// or `other`: text from callers never becomes a label.
public final class CallMetrics: Sendable {
    private static let methods = MethodIndex.names
    private static let codes = ["OK"] + RPCCode.allCases.map(\.rawValue)
    private static let codeIndices = Dictionary(
        uniqueKeysWithValues: RPCCode.allCases.enumerated().map { ($1, $0 + 1) })

    private let answers = Cells(codes.count)
    private let finished = Cells(Wire.allCases.count * methods.count * codes.count)
    private let running = Cells(Wire.allCases.count)
    private let times = Histograms(kinds: methods.count)

    /// Starts with all counts at zero.
    public init() {}

    func began(_ wire: Wire) { running.add(at: Self.index(wire)) }

    /// Counts the end of a call that `began` counted.
    func ended(_ method: MethodIndex, _ wire: Wire, after time: Duration, _ failure: RPCCode?) {
        running.add(-1, at: Self.index(wire))
        times.record(time, of: method.value)
        count(method, wire, failure)
    }

    /// Counts a call that was refused before its work began.
    func refused(_ method: String, _ wire: Wire, _ failure: RPCCode) {
        count(MethodIndex(method), wire, failure)
    }

    /// Counts a response over the RPC wire, whatever part of the server sends it; nil is a success.
    public func answered(_ failure: RPCCode?) { answers.add(at: Self.index(failure)) }

    private func count(_ method: MethodIndex, _ wire: Wire, _ failure: RPCCode?) {
        finished.add(
            at: (Self.index(wire) * Self.methods.count + method.value) * Self.codes.count + Self.index(failure))
    }

    private static func index(_ wire: Wire) -> Int { wire == .rpc ? 0 : 1 }
    private static func index(_ failure: RPCCode?) -> Int { failure.flatMap { codeIndices[$0] } ?? 0 }

    /// Writes the metrics onto a page. Omits counts of zero.
    public func write(to page: inout Exposition) {
        var samples: [Exposition.Sample] = []
        for wire in Wire.allCases {
            for (method, name) in Self.methods.enumerated() {
                for (code, word) in Self.codes.enumerated() {
                    let count = finished[
                        (Self.index(wire) * Self.methods.count + method) * Self.codes.count + code]
                    guard count > 0 else { continue }
                    samples.append(.init(["wire": wire.rawValue, "method": name, "code": word], count))
                }
            }
        }
        page.counter(
            "muster_requests_total", "Calls that were answered, by how they came and what they came to.", samples)
        page.counter(
            "muster_rpc_answers_total", "Answers of the RPC listener, by code.",
            Self.codes.enumerated().filter { answers[$0.offset] > 0 }.map { .init(["code": $1], answers[$0]) })
        page.gauge(
            "muster_requests_in_flight", "Calls that are being answered.",
            Wire.allCases.map { .init(["wire": $0.rawValue], running[Self.index($0)]) })
        page.histogram(
            "muster_request_seconds", "From the beginning of a call's work to its reply.", by: "method",
            Self.methods.enumerated().map { ($1, times.snapshot(of: $0)) }.filter { $0.1.count > 0 })
    }
}
