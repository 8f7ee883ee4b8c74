import MusterProtocol
import MusterTestSupport
import MusterUsers
import Postgres

@testable import MusterStore

/// Whom each identifier finds, by its digest.
typealias IdentifierMap = [IdentifierDigest: LoggedIdentifier]

extension RegistryFixture {
    func identifiersVersion() async throws -> Int64 {
        let workspace = workspace
        return try await value(
            "SELECT version FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(SetKey.identifiers)")
    }

    /// How the log, from an empty workspace to its head, differs from the tables; nil if it doesn't.
    func identifierLogDiffers() async throws -> String? {
        let workspace = workspace
        return try await store.in(workspace).snapshot { transaction in
            guard let logged = try transaction.loggedIdentifiers() else { return "the log is no chain up to its head" }
            let stored = try transaction.storedIdentifiers()
            let differing = Set(logged.keys).union(stored.keys).filter { logged[$0] != stored[$0] }
            if !differing.isEmpty { return "\(differing.count) identifiers find others than the log says" }
            let identified = try transaction.query(
                "SELECT user_number FROM registered_user WHERE workspace_id = \(workspace) AND external_id IS NOT NULL"
            ) { row in try row.value(0, as: UserNumber.self) }
            let loggedAsIdentified = Set(logged.values.filter(\.isExternalID).map(\.user))
            return loggedAsIdentified == Set(identified) ? nil : "others are identified than the log says"
        }
    }
}

extension WorkspaceTransaction {
    /// What the log says, applied in the order of its versions; nil if it is no chain.
    borrowing func loggedIdentifiers() throws -> IdentifierMap? {
        var map: IdentifierMap = [:]
        var (last, isChain): (Int64, Bool) = (0, true)
        try forEach(
            """
            SELECT version, previous_tag, come, gone FROM identifier_change WHERE workspace_id = \(workspace)
            ORDER BY version
            """
        ) { row in
            let (version, previousTag): (Int64, Int64) = (try row.value(0), try row.value(1))
            let come = LoggedIdentifier.all(in: try row.value(2))
            let gone = IdentifierDigest.all(in: try row.value(3))
            // An identifier that comes and goes in one change would have no order.
            let isClear = Set(come.map(\.digest)).union(gone).count == come.count + gone.count
            isChain = isChain && version == last + 1 && (previousTag == 0) == (last == 0) && isClear
            last = version
            for digest in gone { map[digest] = nil }
            for entry in come { map[entry.digest] = entry }
        }
        let head = try first(
            "SELECT version FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(SetKey.identifiers)"
        ) { row in try row.value(0, as: Int64.self) }
        return isChain && head == last ? map : nil
    }

    /// What the tables have.
    borrowing func storedIdentifiers() throws -> IdentifierMap {
        guard let key = try identifierDigestKey() else { throw UnfinishedWorkspace() }
        var map: IdentifierMap = [:]
        func add(_ reference: UserReference, _ user: UserNumber) {
            guard let digest = key.digest(of: reference) else { return }
            let isExternalID = if case .externalID = reference { true } else { false }
            map[digest] = LoggedIdentifier(digest: digest, user: user, isExternalID: isExternalID)
        }
        try forEach(
            """
            SELECT external_id, user_number FROM registered_user
            WHERE workspace_id = \(workspace) AND external_id IS NOT NULL
            UNION ALL SELECT external_id, user_number FROM deprecated_external_id WHERE workspace_id = \(workspace)
            """
        ) { row in add(.externalID(try row.value(0)), try row.value(1)) }
        try forEach("SELECT alias_label, alias_name, user_number FROM user_alias WHERE workspace_id = \(workspace)") {
            row in
            add(.alias(Alias(label: try row.value(0), name: try row.value(1))), try row.value(2))
        }
        try forEach("SELECT device_id, user_number FROM user_device WHERE workspace_id = \(workspace)") { row in
            add(.deviceID(try row.value(0)), try row.value(1))
        }
        return map
    }
}
