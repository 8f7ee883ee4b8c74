import MusterProtocol

/// What a key may do. A scope is a method name, one of Braze's permissions, all of a noun (`segments.*`), or everything
/// (`*`).
enum Scope {
    /// What a data import key can do, for its own partner, and nothing else.
    static let ofImportKeys = [ImportCohort.method, CreateCohort.method, ListImports.method]

    /// Whether a key with `scope` may do what `wanted` (a scope too) stands for.
    static func covers(_ scope: String, _ wanted: String) -> Bool {
        if scope == "*" || scope == wanted { return true }
        if let methods = BrazePermission.scopes[scope] { return methods.contains(wanted) }
        guard scope.hasSuffix(".*") else { return false }
        return wanted.hasPrefix(scope.dropLast(1))
    }

    /// Whether keys with `scopes` may do all that `wanted` stands for.
    static func cover(_ scopes: [String], _ wanted: String) -> Bool {
        if scopes.contains(where: { covers($0, wanted) }) { return true }
        // One that is a call's scope too stands for more than the others that it names.
        guard let methods = BrazePermission.scopes[wanted], !methods.isEmpty,
            !allCalls.contains(where: { $0.method == wanted })
        else { return false }
        return methods.allSatisfy { method in scopes.contains { covers($0, method) } }
    }

    /// Whether this is a scope at all: so that a typing error doesn't make a key that can do nothing.
    static func exists(_ scope: String) -> Bool {
        scope == "*" || BrazePermission.scopes[scope] != nil || allCalls.contains { covers(scope, $0.method) }
    }

    /// The scopes of a new service key, each once; throws what is wrong with them.
    static func checked(_ scopes: [String]) throws -> [String] {
        guard !scopes.isEmpty else {
            throw RPCError.invalid("scopes", .missing, "is missing: name what the key may do, such as segments.*")
        }
        try check(scopes.count, of: "scopes", atMost: Limits.scopesPerKey)
        for (index, scope) in scopes.enumerated() where !exists(scope) {
            throw RPCError.invalid(
                "scopes[\(index)]", .unknownValue,
                "is no scope: name a method, all of a noun (segments.*), or everything (*)")
        }
        var seen: Set<String> = []
        return scopes.filter { seen.insert($0).inserted }
    }
}
