import MusterProtocol
import MusterUsers
import Postgres

extension WorkspaceTransaction {
    /// Resolves the identifiers of an import: by the workspace's directory if it is at `version` of the head of
    /// identifiers, which the caller read together with the head of identity, and by SQL otherwise.
    ///
    /// A device counts only while its user is anonymous (Braze's rule). Returns whether the directory resolved them.
    @discardableResult
    borrowing func resolve(
        _ batch: inout ImportBatch, by directories: IdentityDirectories, at version: SetVersion
    ) throws -> Bool {
        if directories.resolve(&batch, of: workspace, at: version) { return true }
        try resolve(&batch)
        return false
    }

    private borrowing func resolve(_ batch: inout ImportBatch) throws {
        var (lookup, devices) = (UserLookup(), UserLookup())
        let (userIDs, deviceIDs) = (batch.userIDs.sorted(), batch.deviceIDs.sorted())
        lookup.externalIDs = UserLookup.Names(userIDs.list, at: userIDs.positions)
        for (alias, position) in zip(batch.aliases, batch.aliasPositions) {
            lookup.append(alias, Int32(truncatingIfNeeded: position))
        }
        devices.devices = UserLookup.Names(deviceIDs.list, at: deviceIDs.positions)
        try find(lookup) { batch.resolve(position: $0, as: .user($1)) }
        guard !devices.devices.isEmpty else { return }
        try forEach(devices.usersByDeviceWithAnonymity(in: workspace)) { row in
            let resolution: Resolution = try row.value(2) ? .user(try row.value(1)) : .identifiedDevice
            batch.resolve(position: Int(try row.value(0, as: Int32.self)), as: resolution)
        }
    }
}

extension IdentityDirectories {
    /// Resolves the identifiers of an import; returns false, and resolves none, if the directory isn't there or is of
    /// another version.
    func resolve(_ batch: inout ImportBatch, of workspace: WorkspaceID, at version: SetVersion) -> Bool {
        guard let directory = directory(of: workspace), directory.version == version,
            let key = digestKey(of: workspace)
        else { return false }
        let wanted = ImportDigests(batch, key)
        guard let users = directory.users(of: wanted.digests, at: version),
            let identified = directory.areIdentified(wanted.holders(users), at: version)
        else { return false }
        for (index, position) in wanted.positions.enumerated() {
            guard let user = users[index] else { continue }
            batch.resolve(position: position, as: .user(user))
        }
        var devices = identified.makeIterator()
        for index in wanted.devices where users[index] != nil && devices.next() == true {
            batch.resolve(position: wanted.positions[index], as: .identifiedDevice)
        }
        return true
    }
}

/// The digests of an import's valid identifiers, each with its position in the import; devices last.
private struct ImportDigests {
    var digests: [IdentifierDigest] = []
    var positions: [Int] = []
    private let firstDevice: Int

    init(_ batch: ImportBatch, _ key: IdentifierDigestKey) {
        var (digests, positions): ([IdentifierDigest], [Int]) = ([], [])
        digests.reserveCapacity(batch.count)
        positions.reserveCapacity(batch.count)
        batch.userIDs.visit { bytes, position in
            digests.append(key.digest(externalID: bytes))
            positions.append(position)
        }
        for (alias, position) in zip(batch.aliases, batch.aliasPositions) {
            guard let digest = key.digest(of: .alias(alias)) else { continue }
            digests.append(digest)
            positions.append(position)
        }
        firstDevice = digests.count
        batch.deviceIDs.visit { bytes, position in
            digests.append(key.digest(deviceID: bytes))
            positions.append(position)
        }
        (self.digests, self.positions) = (digests, positions)
    }

    var devices: Range<Int> { firstDevice..<digests.count }

    /// The users of the devices that have one, in order.
    func holders(_ users: [UserNumber?]) -> [UserNumber] { users[devices].compactMap(\.self) }
}
