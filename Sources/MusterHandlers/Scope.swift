import MusterProtocol

/// What a key may do. A scope is a method name, all of a noun (`segments.*`), or everything (`*`).
enum Scope {
    /// What a data import key can do, for its own partner, and nothing else.
    static let ofImportKeys = [ImportCohort.method, CreateCohort.method, ListImports.method]

    /// Scopes of REST routes that have no call.
    static let ofRoutes = ["campaigns.list", "canvas.list"]

    /// Whether a key with `scope` may do what `wanted` (a scope too) stands for.
    static func covers(_ scope: String, _ wanted: String) -> Bool {
        if scope == "*" || scope == wanted { return true }
        guard scope.hasSuffix(".*") else { return false }
        return wanted.hasPrefix(scope.dropLast(1))
    }

    /// Whether this is a scope at all: so that a typing error doesn't make a key that can do nothing.
    static func exists(_ scope: String) -> Bool {
        scope == "*" || allCalls.contains { covers(scope, $0.method) } || ofRoutes.contains { covers(scope, $0) }
    }
}
