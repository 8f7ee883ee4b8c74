/// Roles, policies or grants don't allow the work at hand.
public struct AccessProblem: Error, CustomStringConvertible {
    /// Says what is missing, for which role, and what to do next.
    public let description: String

    init(_ description: String) { self.description = description }
}
