import MusterProtocol
import MusterUsers
import Postgres

/// References to users by kind, as statements take them. Each has its ordinal among all references.
struct UserLookup {
    /// Identifiers of one column.
    struct Names {
        var names = IdentifierList()
        var ordinals: [Int32] = []

        init() {}

        /// Identifiers of an import, with their positions in it.
        init(_ names: IdentifierList, at positions: [Int]) {
            self.names = names
            ordinals = positions.map { Int32(truncatingIfNeeded: $0) }
        }

        var isEmpty: Bool { ordinals.isEmpty }

        mutating func append(_ name: Identifier, _ ordinal: Int32) {
            names.append(name)
            ordinals.append(ordinal)
        }
    }

    /// E-mail addresses or telephone numbers, with their prioritization as numbers.
    struct Contacts {
        var names = Names()
        /// 0: all users; 1: identified ones; 2: anonymous ones; 3: none, since no user is both.
        var only: [Int32] = []
        /// 0: exactly one must match; 1: last updated; 2: first updated; 3: identified before anonymous, then last
        /// updated.
        var order: [Int32] = []

        mutating func append(_ contact: Contact, as value: Identifier, _ ordinal: Int32) {
            let prioritization = contact.prioritization ?? []
            names.append(value, ordinal)
            only.append(
                (prioritization.contains(.identified) ? 1 : 0) + (prioritization.contains(.unidentified) ? 2 : 0))
            let byTime = prioritization.first { $0 == .mostRecentlyUpdated || $0 == .leastRecentlyUpdated }
            order.append(prioritization.isEmpty ? 3 : byTime.map { $0 == .mostRecentlyUpdated ? 1 : 2 } ?? 0)
        }
    }

    var externalIDs = Names()
    var aliases = (labels: IdentifierList(), names: Names())
    var devices = Names()
    var brazeIDs = Names()
    var emails = Contacts()
    var phones = Contacts()

    init() {}

    init(_ references: [UserReference]) {
        for (ordinal, reference) in references.enumerated() {
            let ordinal = Int32(truncatingIfNeeded: ordinal)
            switch reference {
            case .externalID(let id): externalIDs.append(id, ordinal)
            case .alias(let alias): append(alias, ordinal)
            case .deviceID(let id): devices.append(id, ordinal)
            case .brazeID(let id): brazeIDs.append(id, ordinal)
            case .email(let contact): emails.append(contact, as: ContactKind.email.normalized(contact.value), ordinal)
            case .phone(let contact): phones.append(contact, as: ContactKind.phone.normalized(contact.value), ordinal)
            }
        }
    }

    mutating func append(_ alias: Alias, _ ordinal: Int32) {
        aliases.labels.append(alias.label)
        aliases.names.append(alias.name, ordinal)
    }
}
