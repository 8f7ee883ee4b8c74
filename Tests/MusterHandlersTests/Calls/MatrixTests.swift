import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import Testing

/// Every call × {an object of the caller's workspace, of another workspace only, of none} × every kind of key.
///
/// Both workspaces have objects of the same names; what is the other's says so in every name, and no answer may show
/// it.
@Suite struct MatrixTests {
    enum Target: String, CaseIterable {
        case own = ""
        case foreign = "-foreign"
        case missing = "-missing"
    }

    enum Kind: CaseIterable {
        case withScope, withNoun, withoutScope, importOwn, importOther, admin
    }

    /// Names in the examples of calls that stand for objects.
    private static let objects: Set<String> = [
        "win-back", "active", "fr-win-back", "lapsed", "u-1", "u-2", "u-7", "u-404", "nobody", "d-9", "k_3f9a1c07be42",
        "5b1f4c2e-8f3e-4a53-9d2c-0a6f5f1f7c11-1763900000",
    ]

    @Test func everyCellOfTheMatrixFollowsItsRule() async throws {
        try await withMuster { muster in
            let first = muster.server
            let second = try await TestServer(
                databaseURL: muster.database.serverURL, workspace: try await muster.database.makeAdministered("second"))
            let client = second.client()
            try await seed(muster.client, first, muster.database, mark: "", targets: [.own])
            try await seed(client, second, muster.database, mark: "SECOND", targets: [.own, .foreign])
            let before = try await muster.database.fingerprint(of: second.workspace.id)

            var cells = 0
            // Those that make objects come last, since what they make is no longer missing.
            let calls =
                allCalls.filter { !Self.making.contains($0.method) }
                + allCalls.filter { Self.making.contains($0.method) }
            for call in calls {
                for kind in Kind.allCases { cells += try await row(of: call, kind, muster) }
            }
            print("Matrix: \(cells) cells over \(allCalls.count) calls")
            #expect(cells == allCalls.count * Kind.allCases.count * Target.allCases.count)
            #expect(try await muster.database.fingerprint(of: second.workspace.id) == before)
            await client.close()
            await second.stop()
        }
    }

    private func row(of call: any Call.Type, _ kind: Kind, _ muster: MusterUnderTest) async throws -> Int {
        let key = try await key(kind, for: call.method, muster)
        let session = try await RawSession.open(muster.server, key: key)
        var answers: [Target: Answer] = [:]
        for target in Target.allCases {
            let body = try body(of: call, target)
            let answer = try await session.answer(call.method, body.text)
            let cell = "\(call.method) × \(target) × \(kind): \(answer.text)"
            #expect(answer.code == expected(call.method, body, target, kind), "\(cell)")
            #expect(!answer.text.contains("SECOND"), "\(cell)")
            answers[target] = answer
            if answer.code == nil { try await repair(after: call.method, muster) }
        }
        if !Self.making.contains(call.method) {
            func plain(_ target: Target) -> String? { answers[target]?.text.replacing(target.rawValue, with: "") }
            #expect(plain(.foreign) == plain(.missing), "\(call.method) × \(kind) tells foreign from missing")
        }
        await session.connection.close()
        return Target.allCases.count
    }

    // MARK: The rule

    /// Calls that make what they name where it is not there.
    private static let making: Set<String> = [
        CreateKey.method, SetPartner.method, UpsertUsers.method, CreateCohort.method, ImportCohort.method,
        CreateSegment.method, TrackUsers.method, AddAliases.method,
    ]
    /// Calls that answer about what there is, be it nothing.
    private static let listing: Set<String> = [
        GetHealth.method, GetInfo.method, ListKeys.method, ListPartners.method, ListCohorts.method, ListSegments.method,
        DeleteUsers.method, UpdateAliases.method, RenameExternalIDs.method, RemoveExternalIDs.method,
        ExportUsers.method,
    ]
    private static let importing: Set<String> = [ImportCohort.method, CreateCohort.method, ListImports.method]

    private func expected(_ method: String, _ body: Tree, _ target: Target, _ kind: Kind) -> RPCCode? {
        if method == OpenSession.method { return .failedPrecondition }
        switch kind {
        case .withoutScope: return .permissionDenied
        case .importOther: return .permissionDenied
        case .importOwn where !Self.importing.contains(method): return .permissionDenied
        // No key gives what it does not have, and the example asks for an import key.
        case .withScope where method == CreateKey.method: return .permissionDenied
        case .withNoun where method == CreateKey.method: return .permissionDenied
        default: break
        }
        if target == .own { return method == CreateSegment.method ? .alreadyExists : nil }
        if body["filter"] != nil { return .invalidArgument }
        return Self.making.contains(method) || Self.listing.contains(method) ? nil : .notFound
    }

    // MARK: Bodies and keys

    private func body(of call: any Call.Type, _ target: Target) throws -> Tree {
        func example<C: Call>(_: C.Type) throws -> Tree { try Tree(encoding: C.example.call) }
        let body = try example(call).with("request_id", nil)
        // The partner is the object itself only where nothing of it is meant.
        let isOfPartner = body["cohort_id"] == nil && body["filter"] == nil
        return body.mapStrings { name in
            Self.objects.contains(name) || (isOfPartner && name == "tinyclues") ? name + target.rawValue : name
        }
    }

    /// Whether Braze's permission of this name stands for another call beside its own.
    private func covering(_ scope: String, _ method: String) -> Bool {
        scope == ExportSegment.method && [GetExport.method, CancelExport.method].contains(method)
    }

    private func key(_ kind: Kind, for method: String, _ muster: MusterUnderTest) async throws -> String {
        let noun = method.prefix { $0 != "." }
        func service(_ scopes: [String]) async throws -> String {
            try await muster.send(CreateKey(kind: .service, name: "matrix", scopes: scopes)).secret
        }
        func importing(_ partner: String) async throws -> String {
            try await muster.send(CreateKey(kind: .import, partner: partner, name: "matrix")).secret
        }
        return switch kind {
        case .withScope: try await service([method])
        case .withNoun: try await service(["\(noun).*"])
        case .withoutScope:
            try await service(allCalls.map { $0.method }.filter { $0 != method && !covering($0, method) })
        case .importOwn: try await importing("tinyclues")
        case .importOther: try await importing("other")
        case .admin: muster.server.workspace.adminKey.text
        }
    }

    // MARK: Objects

    private func seed(
        _ client: MusterClient, _ server: TestServer, _ database: TestDatabase, mark: String, targets: [Target]
    ) async throws {
        for target in targets {
            func named(_ name: String) -> Identifier { Identifier(name + target.rawValue) }
            let partners = target == .own ? ["tinyclues"] : ["tinyclues", "tinyclues\(target.rawValue)"]
            for partner in partners { _ = try await client.send(SetPartner(partner: partner, displayName: mark + "x")) }
            try await seedUsers(client, mark: mark, target)
            for cohort in ["win-back", "active"] {
                _ = try await client.send(
                    CreateCohort(partner: "tinyclues", cohortID: named(cohort), name: mark + "Win back, spring"))
                _ = try await client.send(
                    ImportCohort(
                        partner: "tinyclues", cohortID: named(cohort), changes: [.adding(userIDs: [named("u-1")])]))
            }
            for segment in ["fr-win-back", "lapsed"] {
                _ = try await client.send(
                    CreateSegment(
                        segmentID: named(segment), name: mark + "x", filter: .cohort("tinyclues", named("active"))))
            }
            _ = try await client.send(ExportSegment(segmentID: named("lapsed")))
            try await database.run(
                """
                INSERT INTO api_key (workspace_id, key_id, digest, kind, partner, name, scopes, created_at)
                VALUES (\(server.workspace.id.rawValue), 'k_3f9a1c07be42\(target.rawValue)',
                    sha256('\(mark)\(target.rawValue)'), 'import', 'tinyclues', '\(mark)x', '{}', now());
                INSERT INTO segment_export (workspace_id, export_id, segment_id, token_digest, shape, created_at, state,
                    expires_at)
                VALUES (\(server.workspace.id.rawValue),
                    '5b1f4c2e-8f3e-4a53-9d2c-0a6f5f1f7c11-1763900000\(target.rawValue)', '\(mark)x',
                    sha256('\(mark)\(target.rawValue)'), '{}', now(), 'cancelled', now())
                """)
        }
    }

    private func seedUsers(_ client: MusterClient, mark: String, _ target: Target) async throws {
        let ids = ["u-1", "u-7"].map { Identifier($0 + target.rawValue) }
        let users = ids.map { UserEntry(externalID: $0, attributes: ["from": .string(Array((mark + "x").utf8))]) }
        _ = try await client.send(
            UpsertUsers(users: users + [UserEntry(deviceIDs: [Identifier("d-9" + target.rawValue)])]))
    }

    /// Puts back what a call took away.
    private func repair(after method: String, _ muster: MusterUnderTest) async throws {
        switch method {
        case DeleteUsers.method, MergeUsers.method: try await seedUsers(muster.client, mark: "", .own)
        case ExportSegment.method: _ = try await muster.send(CancelExport(segmentID: "fr-win-back"))
        case CancelExport.method: _ = try await muster.send(ExportSegment(segmentID: "lapsed"))
        case DeleteCohort.method: try await muster.importCohort("win-back", adding: ["u-1"])
        case DeleteSegment.method:
            _ = try await muster.send(
                CreateSegment(segmentID: "fr-win-back", name: "x", filter: .cohort("tinyclues", "active")))
        default: break
        }
    }
}
