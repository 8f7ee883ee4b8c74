/// Roles, policies or grants are not as the work at hand needs them.
public struct AccessProblem: Error, CustomStringConvertible {
    /// What is missing, for which role, and what to do next.
    public let description: String

    init(_ description: String) { self.description = description }
}
