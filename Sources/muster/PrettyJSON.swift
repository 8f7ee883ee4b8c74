/// Pretty-prints minified JSON: one line per value, two spaces per level; empty objects and arrays stay on one line.
func prettyJSON(_ json: [UInt8]) -> String {
    var printer = JSONPrinter()
    for byte in json { printer.take(byte) }
    return String(decoding: printer.output, as: UTF8.self)
}

private struct JSONPrinter {
    private(set) var output: [UInt8] = []
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    /// Whether a bracket was opened and nothing has followed yet.
    private var isOpening = false

    mutating func take(_ byte: UInt8) {
        if isInString { return takeInString(byte) }
        switch Unicode.Scalar(byte) {
        case "{", "[":
            begin()
            output.append(byte)
            depth += 1
            isOpening = true
        case "}", "]":
            depth -= 1
            if !isOpening { newLine() }
            isOpening = false
            output.append(byte)
        case ",":
            output.append(byte)
            newLine()
        case ":": output += [byte, UInt8(ascii: " ")]
        default:
            begin()
            isInString = byte == UInt8(ascii: "\"")
            output.append(byte)
        }
    }

    private mutating func takeInString(_ byte: UInt8) {
        output.append(byte)
        if isEscaped {
            isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
            isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
            isInString = false
        }
    }

    private mutating func begin() {
        if isOpening { newLine() }
        isOpening = false
    }

    private mutating func newLine() {
        output.append(UInt8(ascii: "\n"))
        output += [UInt8](repeating: UInt8(ascii: " "), count: 2 * depth)
    }
}
