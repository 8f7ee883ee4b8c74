package import MusterSets

/// The number of a user in its workspace, by which sets and tables name the user. A workspace gives out numbers from
/// 0 on, each once.
public struct UserNumber: RawRepresentable, Hashable, Comparable, Sendable {
    /// As sets have it.
    public let rawValue: UInt32

    /// The user whom sets have as this number.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// As many numbers from this one on, and the one after them; nil where tables, which have 31 bits, have no room.
    package func next(_ count: Int) -> (numbers: [UserNumber], end: UserNumber)? {
        let end = Int64(rawValue) + Int64(count)
        guard count >= 0, end <= Int64(Int32.max) else { return nil }
        let numbers = (0..<UInt32(count)).map { UserNumber(rawValue: rawValue + $0) }
        return (numbers, UserNumber(rawValue: UInt32(end)))
    }
}

extension UserNumber: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: UInt32) { self.init(rawValue: value) }
}

extension MemberSet {
    /// The set of these users, in any order, repeats allowed.
    package init(users: [UserNumber]) { self.init(users.map(\.rawValue)) }

    /// The users, in the order of their numbers.
    package var users: [UserNumber] { map { UserNumber(rawValue: $0) } }

    /// The first users after one, in the order of their numbers.
    package func users(after user: UserNumber?, limit: Int) -> [UserNumber] {
        members(after: user?.rawValue, limit: limit).map { UserNumber(rawValue: $0) }
    }
}
