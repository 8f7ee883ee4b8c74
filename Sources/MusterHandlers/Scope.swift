import MusterProtocol

/// The permissions of a key. A scope is a method name, one of Braze's permissions, all calls of a noun (`segments.*`),
/// or everything (`*`).
enum Scope {
    /// The scopes of every data import key, for its own partner only.
    static let ofImportKeys = [ImportCohort.method, CreateCohort.method, ListImports.method]

    /// Whether a key with `scope` may do all that the scope `wanted` allows.
    static func covers(_ scope: String, _ wanted: String) -> Bool {
        if scope == "*" || scope == wanted { return true }
        if let methods = BrazePermission.scopes[scope] { return methods.contains(wanted) }
        guard scope.hasSuffix(".*") else { return false }
        return wanted.hasPrefix(scope.dropLast(1))
    }

    /// Whether keys with `scopes` may do all that `wanted` allows.
    static func cover(_ scopes: [String], _ wanted: String) -> Bool {
        if scopes.contains(where: { covers($0, wanted) }) { return true }
        // A permission with the name of a call allows that call too, so the calls that it lists don't suffice.
        guard let methods = BrazePermission.scopes[wanted], !methods.isEmpty,
            !allCalls.contains(where: { $0.method == wanted })
        else { return false }
        return methods.allSatisfy { method in scopes.contains { covers($0, method) } }
    }

    /// Whether the scope exists, so that a typo doesn't create a key without permissions.
    static func exists(_ scope: String) -> Bool {
        scope == "*" || BrazePermission.scopes[scope] != nil || allCalls.contains { covers(scope, $0.method) }
    }

    /// The scopes of a new service key without duplicates. Throws if one is invalid.
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
