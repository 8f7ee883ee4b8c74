import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHTTP
import MusterProtocol

/// The parameters of a request's target, decoded as browsers and clients encode forms: `+` is a blank, `%2B` a plus.
struct Query {
    /// Names and values, still encoded.
    private let pairs: [(name: Substring, value: Substring)]

    init(_ request: Request) {
        let target = request.head.path ?? ""
        let query = target.firstIndex(of: "?").map { target[target.index(after: $0)...] } ?? ""
        pairs = query.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (parts[0], parts.count > 1 ? parts[1] : "")
        }
    }

    /// Nil if the parameter is absent or empty. Throws an `HTTPProblem` if it comes twice or can't be decoded.
    func text(_ name: String) throws -> String? {
        let values = pairs.filter { $0.name.utf8.formDecoded?.elementsEqual(name.utf8) ?? false }.map(\.value)
        guard values.count <= 1 else {
            throw HTTPProblem(.badRequest, .conflict, field: name, "\(name) stands in the query more than once")
        }
        guard let value = values.first, !value.isEmpty else { return nil }
        guard let bytes = value.utf8.formDecoded, let text = String(validating: bytes, as: UTF8.self) else {
            throw HTTPProblem(
                .badRequest, .invalidCharacters, field: name,
                "\(name) must be UTF-8, with % in the query only before two hexadecimal digits")
        }
        return text
    }

    /// Refuses every parameter, for Muster's own routes that have none: unlike Braze's, they ignore nothing.
    func expectNone() throws {
        guard let pair = pairs.first else { return }
        // A name that is long or can't be decoded is not repeated.
        let name = pair.name.utf8.formDecoded.flatMap { String(validating: $0, as: UTF8.self) }
        let field = name.flatMap { $0.utf8.count <= 64 ? $0 : nil } ?? "‹key›"
        throw HTTPProblem(.badRequest, .unknownField, field: field, "\(field) is not a parameter; there is none here")
    }

    /// - Parameter limit: the name of the upper bound, if it is one of the server's limits.
    func number(_ name: String, _ range: ClosedRange<Int>, _ limit: Limit? = nil) throws -> Int? {
        guard let text = try text(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            let isOver = Int(text).map { $0 > range.upperBound } ?? false
            throw HTTPProblem(
                .badRequest, Int(text) == nil ? .invalidFormat : .outOfRange, field: name, limit: isOver ? limit : nil,
                "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)"
                    + (isOver ? limit.map { " (\($0.name))" } ?? "" : ""))
        }
        return number
    }

    func moment(_ name: String) throws -> Instant? {
        guard let text = try text(name) else { return nil }
        guard let moment = Instant(iso8601: text.utf8) ?? Instant(iso8601: Self.withPlus(text).utf8) else {
            throw HTTPProblem(
                .badRequest, .invalidFormat, field: name, "\(name) must be a valid time as an ISO-8601 string")
        }
        return moment
    }

    /// Restores the plus of a UTC offset, which arrives as a blank unless it was written as `%2B`: only the last blank,
    /// and only after the time has begun.
    private static func withPlus(_ text: String) -> String {
        guard let blank = text.lastIndex(of: " "), text[..<blank].contains(where: { " Tt".contains($0) }) else {
            return text
        }
        return text[..<blank] + "+" + text[text.index(after: blank)...]
    }
}

extension Collection<UInt8> {
    /// The bytes of a form's name or value.
    fileprivate var formDecoded: [UInt8]? {
        map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 }.percentDecoded
    }

    /// The bytes with each `%` and two digits replaced by their byte; nil if a `%` lacks its digits.
    var percentDecoded: [UInt8]? {
        var decoded: [UInt8] = []
        var rest = self[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy(\.isHexadecimal),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            decoded.append(value)
            rest = rest.dropFirst(2)
        }
        return decoded
    }
}

extension Parameters {
    /// A decoded part of a path: `%2D` is `-`. A part that can't be decoded stays as it is, and matches nothing.
    func decoded(_ name: String) throws -> String {
        let text = try require(name)
        return text.utf8.percentDecoded.flatMap { String(validating: $0, as: UTF8.self) } ?? text
    }
}
