import MusterProtocol
import MusterTestSupport
import MusterUsers
import TestSupport

@testable import MusterStore

/// Random operations that change which identifier finds which user, over so few identifiers that they meet.
struct IdentityOperations {
    var random: SeededRandom

    /// Runs one operation, which may be refused, and returns its name.
    mutating func runOne(_ fixture: RegistryFixture) async throws -> String {
        do { return try await runAny(fixture) } catch is UserRefusal { return "refused" }
    }

    private mutating func runAny(_ fixture: RegistryFixture) async throws -> String {
        switch random.below(11) {
        case 0, 1: return try await upsert(fixture)
        case 2: return try await addAliases(fixture)
        case 3, 4: return try await track(fixture)
        case 5: return try await identify(fixture)
        case 6: return try await merge(fixture)
        case 7: return try await updateAliases(fixture)
        case 8: return try await rename(fixture)
        case 9: return try await removeIDs(fixture)
        default: return try await erase(fixture)
        }
    }

    private mutating func upsert(_ fixture: RegistryFixture) async throws -> String {
        var entries: [UserEntry] = []
        for _ in 0...random.below(4) {
            let aliases = (0..<random.below(3)).map { _ in alias() }
            let devices = (0..<random.below(3)).map { _ in device() }
            entries.append(
                UserEntry(
                    externalID: random.chance(60) ? externalID() : nil, aliases: aliases, deviceIDs: devices,
                    attributes: random.chance(50) ? ["n": .integer(Int64(random.below(3)))] : nil))
        }
        try await fixture.upsert(entries)
        return "upsert"
    }

    private mutating func addAliases(_ fixture: RegistryFixture) async throws -> String {
        let new = (0...random.below(3)).map { _ in
            let alias = alias()
            return NewAlias(externalID: random.chance(70) ? externalID() : nil, label: alias.label, name: alias.name)
        }
        _ = try await fixture.users.addAliases(new, request: fixture.key(AddAliases.method, nil))
        return "addAliases"
    }

    /// Devices come with attributes and with events; contacts may find or make a user.
    private mutating func track(_ fixture: RegistryFixture) async throws -> String {
        let users = (0..<3).map { _ in trackedUser() }
        try await fixture.track(
            #"{"attributes":[{\#(users[0]),"n":1},{\#(users[1]),"m":1}],"#
                + #""events":[{\#(users[2]),"name":"e","time":"2026-01-01T00:00:00Z"}]}"#)
        return "track"
    }

    private mutating func trackedUser() -> String {
        let device = random.chance(50) ? #","device_id":"\#(device().text)""# : ""
        switch random.below(3) {
        case 0: return #""external_id":"\#(externalID().text)"\#(device)"#
        case 1:
            let alias = alias()
            return #""user_alias":{"alias_label":"\#(alias.label.text)","alias_name":"\#(alias.name.text)"}\#(device)"#
        default: return #""email":"\#(random.below(3))@x.eu"\#(device)"#
        }
    }

    private mutating func identify(_ fixture: RegistryFixture) async throws -> String {
        let mergeWhen = random.pick([MergeWhen.always, .never, .labelsDiffer]) ?? .always
        _ = try await fixture.users.identify(
            reference(), as: externalID(), mergeWhen: mergeWhen, request: fixture.key(IdentifyUser.method, nil))
        return "identify"
    }

    private mutating func merge(_ fixture: RegistryFixture) async throws -> String {
        try await fixture.merge(reference(), into: reference())
        return "merge"
    }

    private mutating func updateAliases(_ fixture: RegistryFixture) async throws -> String {
        let updates = (0...random.below(4)).map { _ in
            let alias = alias()
            return AliasUpdate(label: alias.label, oldName: alias.name, newName: self.alias().name)
        }
        _ = try await fixture.users.updateAliases(updates, request: fixture.key(UpdateAliases.method, nil))
        return "updateAliases"
    }

    private mutating func rename(_ fixture: RegistryFixture) async throws -> String {
        let renames = (0...random.below(4)).map { _ in ExternalIDRename(current: externalID(), new: externalID()) }
        _ = try await fixture.users.renameExternalIDs(renames, request: fixture.key(RenameExternalIDs.method, nil))
        return "rename"
    }

    private mutating func removeIDs(_ fixture: RegistryFixture) async throws -> String {
        let ids = (0...random.below(5)).map { _ in externalID() }
        _ = try await fixture.users.removeExternalIDs(ids, request: fixture.key(RemoveExternalIDs.method, nil))
        return "removeIDs"
    }

    /// As a caller does, and as a journal is applied after a restore.
    private mutating func erase(_ fixture: RegistryFixture) async throws -> String {
        let references = (0...random.below(2)).map { _ in reference() }
        guard random.chance(50) else {
            _ = try await fixture.users.delete(references, request: fixture.key(DeleteUsers.method, nil))
            return "delete"
        }
        var registrations: Set<Identifier> = []
        for reference in references {
            if let id = try await fixture.get(reference)?.brazeID { registrations.insert(id) }
        }
        _ = try await fixture.store.in(fixture.workspace).erasures.apply(registrations)
        return "apply"
    }

    private mutating func reference() -> UserReference {
        switch random.below(3) {
        case 0: .externalID(externalID())
        case 1: .alias(alias())
        default: .deviceID(device())
        }
    }

    private mutating func externalID() -> Identifier { Identifier("u-\(random.below(8))") }
    private mutating func alias() -> Alias {
        Alias(label: Identifier("l-\(random.below(3))"), name: Identifier("n-\(random.below(5))"))
    }
    private mutating func device() -> Identifier { Identifier("d-\(random.below(8))") }
}
