/// The settings in the `options` of a connection string: `-c name=value` and `--name=value`, with a backslash before a
/// blank in a value.
struct StartupOptions {
    private(set) var settings: [String: String] = [:]

    /// Nil when it contains anything else.
    init?(_ text: String) {
        var words = Self.words(of: text)[...]
        while let word = words.popFirst() {
            let assignment: String
            if word == "-c" {
                guard let next = words.popFirst() else { return nil }
                assignment = next
            } else if word.hasPrefix("-c") || word.hasPrefix("--") {
                assignment = String(word.dropFirst(2))
            } else {
                return nil
            }
            guard let equals = assignment.firstIndex(of: "="), equals > assignment.startIndex else { return nil }
            let name = assignment[..<equals].lowercased().replacing("-", with: "_")
            settings[name] = String(assignment[assignment.index(after: equals)...])
        }
    }

    private static func words(of text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var isEscaped = false
        for character in text {
            if isEscaped {
                word.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if !character.isWhitespace {
                word.append(character)
            } else if !word.isEmpty {
                words.append(word)
                word = ""
            }
        }
        return word.isEmpty ? words : words + [word]
    }
}
