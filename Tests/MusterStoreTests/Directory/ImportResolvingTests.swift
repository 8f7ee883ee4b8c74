import MusterProtocol
import MusterSets
import MusterTestSupport
import MusterUsers
import TestSupport
import Testing

@testable import MusterStore

/// Imports that find their users by the directory.
struct ImportResolvingTests {
    @Test(arguments: TestSeed.several(2))
    func anImportFindsByTheDirectoryWhatItFindsBySQL(seed: UInt64) async throws {
        try await RegistryFixture.with { fixture in
            var operations = IdentityOperations(random: SeededRandom(seed: seed))
            let directories = fixture.directories(byteLimit: 1 << 20)
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
            let directory = try #require(directories.directory(of: fixture.workspace))
            let batch = ImportBatch(operations.changes())
            for step in 0..<30 {
                _ = try await operations.runOne(fixture)
                #expect(try await fixture.refresh(directory))
                let found = try #require(try await fixture.find(batch, by: directories), "seed \(seed), step \(step)")
                let expected = try await fixture.find(batch)
                #expect(found == expected, "seed \(seed), step \(step)")
            }
        }
    }

    /// The directory is given an identifier that the tables don't have, which shows where an import looks.
    @Test func anImportUsesADirectoryOfTheCurrentVersionOnly() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("a"))
            let workspace = fixture.store.in(fixture.workspace)
            _ = try await workspace.partners.set("p", PartnerChange(), at: .now)
            #expect(try await fixture.importing("a", "ghost") == [OutcomeRun(.added, 1), OutcomeRun(.unknown, 1)])
            let directories = fixture.store.directories
            #expect(await eventually { directories.directory(of: fixture.workspace) != nil })
            let directory = try #require(directories.directory(of: fixture.workspace))
            let ghost = try #require(try await fixture.digestKey().digest(of: .externalID("ghost")))
            directory.enter([.make(ghost, 0, isExternalID: true)])
            #expect(try await fixture.importing("ghost") == [OutcomeRun(.unchanged, 1)])
            try await fixture.upsert(.external("b"))
            #expect(try await fixture.importing("ghost", "b") == [OutcomeRun(.unknown, 1), OutcomeRun(.added, 1)])
            #expect(try await fixture.refresh(directory))
            #expect(try await fixture.importing("ghost", "b") == [OutcomeRun(.unchanged, 2)])
        }
    }
}

/// What a resolved import asks for, if the set is empty.
private struct FoundImport: Equatable, Sendable {
    let adding: MemberSet
    let removing: MemberSet
    let outcomes: [OutcomeRun]

    init(_ batch: ImportBatch) {
        let change = batch.requestedChange
        (adding, removing) = (change.adding, change.removing)
        outcomes = batch.outcomes(of: change, added: adding, removed: removing)
    }
}

extension RegistryFixture {
    /// By SQL alone.
    fileprivate func find(_ batch: ImportBatch) async throws -> FoundImport {
        let off = directories(byteLimit: 0)
        return try await store.in(workspace).transaction { transaction in
            var batch = batch
            try transaction.resolve(&batch, by: off, at: try transaction.identifiersHead())
            return FoundImport(batch)
        }
    }

    /// By the directory alone.
    fileprivate func find(_ batch: ImportBatch, by directories: IdentityDirectories) async throws -> FoundImport? {
        try await store.in(workspace).transaction { transaction in
            var batch = batch
            let isResolved = directories.resolve(
                &batch, of: transaction.workspace, at: try transaction.identifiersHead())
            return isResolved ? FoundImport(batch) : nil
        }
    }

    fileprivate func importing(_ ids: Identifier...) async throws -> [OutcomeRun]? {
        let answer = try await store.in(workspace).cohorts.import(
            ImportRequest(
                cohort: CohortReference(partner: "p", cohortID: "c"), requestID: nil,
                changes: [.adding(userIDs: IdentifierList(ids))], digest: [UInt8](repeating: 0, count: 32), keyID: "k"))
        guard case .applied(_, _, let outcomes) = answer else { return nil }
        return outcomes
    }
}

extension IdentityOperations {
    /// Changes that name all identifiers that operations may name, some twice, and invalid ones.
    fileprivate mutating func changes() -> [CohortChange] {
        let references = (Self.references + Self.references.prefix(9)).shuffled(using: &random)
        var (adding, removing) = (CohortChange(), CohortChange(shouldRemove: true))
        for reference in references {
            if random.chance(70) { adding.append(reference) } else { removing.append(reference) }
        }
        adding.append(.externalID(""))
        removing.append(.deviceID("\u{7}"))
        adding.append(.alias(Alias(label: "l-0", name: "")))
        return [adding, removing]
    }
}

extension CohortChange {
    fileprivate mutating func append(_ reference: UserReference) {
        switch reference {
        case .externalID(let id): userIDs.append(id)
        case .deviceID(let id): deviceIDs.append(id)
        case .alias(let alias): aliases.append(alias)
        case .brazeID, .email, .phone: break
        }
    }
}
