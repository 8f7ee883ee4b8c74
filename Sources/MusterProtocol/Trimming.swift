/// Removes white space that surrounds settings and secrets when they come from a file or variable.
extension String {
    /// The text without white space at both ends.
    public var withoutWhiteSpaceAround: String {
        let isWhite: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        return String(decoding: utf8.drop(while: isWhite).reversed().drop(while: isWhite).reversed(), as: UTF8.self)
    }

    /// The text without line breaks at its end; blanks there stay, because a password may end in one.
    public var withoutLineEnd: String {
        String(decoding: utf8.reversed().drop { $0 == 0x0A || $0 == 0x0D }.reversed(), as: UTF8.self)
    }
}
