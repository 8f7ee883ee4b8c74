public import MusterProtocol
import MusterUsers
import Postgres

extension ExportStore {
    /// The users that the references match, each once and in the order of the first match, and the references without a
    /// match. An e-mail address or telephone number matches all users that have it, up to `Limits.exportUsers`, unless
    /// the reference says which one to select.
    public func users(_ references: [UserReference], shape: ExportShape) async throws -> ExportUsers.Reply {
        try await readTransaction { transaction in
            var found = try transaction.find(references).map { [$0].compactMap(\.self) }
            for (index, reference) in references.enumerated() {
                guard let sql = reference.everybody(in: workspace) else { continue }
                found[index] = try transaction.query(sql) { row in try row.value(0, as: UserNumber.self) }
            }
            var seen: Set<UserNumber> = []
            let numbers = found.joined().filter { seen.insert($0).inserted }
            let users = try transaction.exportedUsers(numbers, shape)
            return ExportUsers.Reply(
                users: numbers.compactMap { users[$0] },
                unknown: zip(references, found).compactMap { $1.isEmpty ? $0 : nil })
        }
    }
}

extension UserReference {
    /// Finds all users with a contact; nil for a reference to a single user.
    fileprivate func everybody(in workspace: WorkspaceID) -> SQL? {
        let max = Int64(Limits.exportUsers.value)
        return switch self {
        case .email(let contact) where contact.prioritization?.isEmpty ?? true:
            """
            SELECT user_number FROM registered_user
            WHERE workspace_id = \(workspace) AND email = \(ContactKind.email.normalized(contact.value)) ORDER BY user_number LIMIT \(max)
            """
        case .phone(let contact) where contact.prioritization?.isEmpty ?? true:
            """
            SELECT user_number FROM registered_user
            WHERE workspace_id = \(workspace) AND phone = \(ContactKind.phone.normalized(contact.value)) ORDER BY user_number LIMIT \(max)
            """
        default: nil
        }
    }
}
