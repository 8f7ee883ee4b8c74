package import MusterProtocol

extension AttributeValue {
    static let unusableText = "has U+0000 or half of a surrogate pair"
    static let unusableNumber = "has a number outside of ±2^53"

    /// Why PostgreSQL can't store the value or can't return it in a form that we read, as the end of a sentence; nil
    /// where it can. PostgreSQL writes numbers without an exponent, and our reader refuses integers beyond ±2^53.
    package var storageProblem: String? {
        switch self {
        case .null, .bool, .integer: return nil
        case .number(let number): return abs(number) <= 0x1p53 ? nil : Self.unusableNumber
        case .string(let text): return text.contains(0) ? Self.unusableText : nil
        case .strings(let texts): return texts.contains { $0.contains(0) } ? Self.unusableText : nil
        case .other(let json):
            do { return try json.read { $0.storageProblem } } catch { return "can't be read" }
        }
    }
}

extension JSONValue {
    /// Recursive: the reader bounds the depth.
    fileprivate var storageProblem: String? {
        switch kind {
        case .number: (try? double()).map { abs($0) <= 0x1p53 } ?? false ? nil : AttributeValue.unusableNumber
        case .string: isUnusable ? AttributeValue.unusableText : nil
        case .array: (try? elements())?.lazy.compactMap(\.storageProblem).first
        case .object:
            (try? fields())?.lazy.compactMap { name, value in
                name.isUnusable ? AttributeValue.unusableText : value.storageProblem
            }.first
        default: nil
        }
    }
}

extension RawJSON {
    /// Whether a field at any depth has a name that begins with `$`, other than `$time`. Stored as a value, it would
    /// replace the value that an unknown operator means to change.
    var namesOperator: Bool {
        // Most values have neither a $ nor an escape, which could stand for one.
        guard bytes.contains(where: { $0 == UInt8(ascii: "$") || $0 == UInt8(ascii: "\\") }) else { return false }
        return (try? read { try $0.namesOperator }) ?? false
    }
}

extension JSONValue {
    /// Recursive: the reader bounds the depth.
    fileprivate var namesOperator: Bool {
        get throws {
            switch kind {
            case .array: try elements().contains { try $0.namesOperator }
            case .object:
                try fields().contains { name, value in
                    let isOperator = name.withUnsafeBytes {
                        $0.first == UInt8(ascii: "$") && !$0.elementsEqual("$time".utf8)
                    }
                    return try isOperator || value.namesOperator
                }
            default: false
            }
        }
    }
}
