/// What settings and secrets have around them when they come out of a file or a variable, and are not meant to.
extension String {
    /// Without the white space at both ends.
    public var withoutWhiteSpaceAround: String {
        let isWhite: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        return String(decoding: utf8.drop(while: isWhite).reversed().drop(while: isWhite).reversed(), as: UTF8.self)
    }

    /// Without the line ends at its end; blanks there stay, since a password may end in one.
    public var withoutLineEnd: String {
        String(decoding: utf8.reversed().drop { $0 == 0x0A || $0 == 0x0D }.reversed(), as: UTF8.self)
    }
}
