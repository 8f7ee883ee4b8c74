extension JSONValue {
    /// Throws when an object has a field that is not one of `Key`'s. The success path builds no list of names and
    /// allocates strings only for names of more than 15 bytes, which no object that comes in thousands has.
    func requireKnownFields<Key: CodingKey>(_: Key.Type) throws(JSONError) {
        for (name, value) in JSONFields(self) where Key(stringValue: String(decoding: name.text, as: UTF8.self)) == nil
        {
            throw JSONError(
                unknown: String(decoding: name.text, as: UTF8.self), at: value.path, among: fieldNames(of: Key.self))
        }
    }
}

/// The names of the fields that an object with these keys may have; nil when its keys can't be enumerated.
func fieldNames<Key: CodingKey>(of _: Key.Type) -> [String] {
    func names<Listed: CodingKey & CaseIterable>(_: Listed.Type) -> [String] { Listed.allCases.map(\.stringValue) }
    guard let listed = Key.self as? any (CodingKey & CaseIterable).Type else { return [] }
    return names(listed)
}

extension JSONError {
    /// - Parameters:
    ///   - path: the path of the field, including itself.
    ///   - known: the valid fields.
    init(unknown name: String, at path: String, among known: [String]) {
        let advice: String
        if let nearest = nearest(to: name, among: known) {
            advice = "; did you mean \(nearest)?"
        } else if (1...12).contains(known.count) {
            advice = "; the valid fields are \(known.joined(separator: ", "))"
        } else {
            advice = known.isEmpty ? "; there is none here" : ""
        }
        self.init(.unknownField, path: path, "\(path) is not a field\(advice)")
    }
}

/// The valid name that the sender of `name` probably meant: one that `name` is a prefix of, or one that differs in at
/// most a third of its bytes. Nil when no name is that close.
func nearest(to name: String, among known: [String]) -> String? {
    let written = Array(name.utf8)
    guard written.count <= 64 else { return nil }
    let near = known.map { known in (name: known, edits: edits(from: written, to: Array(known.utf8))) }.filter {
        $0.edits <= max(1, written.count / 3) || (written.count > 2 && $0.name.hasPrefix(name))
    }
    return near.min { $0.edits < $1.edits }?.name
}

/// The edit distance: insertions, deletions, substitutions and swaps of neighbouring bytes.
private func edits(from a: [UInt8], to b: [UInt8]) -> Int {
    var before: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var least = min(row[j] + 1, last[j + 1] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, before[j - 1] + 1) }
            row.append(least)
        }
        (before, last) = (last, row)
    }
    return last[b.count]
}
