extension SetVersion {
    /// A random tag for a new version. It is never 0, the tag of an empty history.
    static func newTag() -> Int64 {
        var random = SystemRandomNumberGenerator()
        return newTag(using: &random)
    }

    static func newTag(using random: inout some RandomNumberGenerator) -> Int64 {
        while true {
            let tag = Int64(bitPattern: random.next())
            if tag != 0 { return tag }
        }
    }
}
