import MusterProtocol
import MusterStore
import MusterTestSupport
import TestSupport
import Testing

@testable import MusterHandlers

/// A server's handlers of keys on a database of the test's own, without a socket.
struct KeyFixture: Sendable {
    let store: Store
    let monitor: KeyRevocationMonitor
    let sessions: SessionHandlers
    let keys: KeyHandlers
    let partners: PartnerHandlers
    let workspace: WorkspaceID

    init(_ store: Store, _ workspace: WorkspaceID) {
        self.store = store
        self.workspace = workspace
        monitor = KeyRevocationMonitor(store: store, logger: quietLogger)
        sessions = SessionHandlers(store: store, monitor: monitor)
        keys = KeyHandlers(store: store)
        partners = PartnerHandlers(store: store, restURL: "https://example.com")
    }

    static func with<R>(_ body: (KeyFixture) async throws -> R) async throws -> R {
        try await TestDatabase.with { test in
            try await test.withStore { store in try await body(KeyFixture(store, test.workspace)) }
        }
    }

    /// A caller whose key has these scopes; the key itself need not exist.
    func caller(_ scopes: String..., in other: WorkspaceID? = nil) -> CallContext {
        let session = Session(
            workspaceID: other ?? workspace, workspace: "acme", keyID: "k_caller", kind: .service, partner: nil,
            scopes: scopes, expiresAt: nil)
        return CallContext(session: session, deadline: .soon)
    }

    func open(_ secret: String) async throws -> Session {
        try await sessions.open(OpenSession(key: secret), deadline: .soon).0
    }
}

struct KeyTests {
    @Test func aServiceKeyOpensASessionWithItsScopes() async throws {
        try await KeyFixture.with { rig in
            let call = CreateKey(kind: .service, name: "checker", scopes: ["segments.*", "users.get", "users.get"])
            let made = try await rig.keys.create(call, rig.caller("*"))
            let session = try await rig.open(made.secret)
            #expect(session.keyID == made.keyID)
            #expect(session.workspace == TestDatabase.workspaceName)
            #expect(session.scopes == ["segments.*", "users.get"])
            #expect(session.allows("segments.check"))
            #expect(!session.allows("users.upsert"))
            try rig.monitor.verify(session)
        }
    }

    @Test func anImportKeyBelongsToAPartnerThatIsMadeWithIt() async throws {
        try await KeyFixture.with { rig in
            let made = try await rig.keys.create(
                CreateKey(kind: .import, partner: "tinyclues", name: "production"), rig.caller("*"))
            let session = try await rig.open(made.secret)
            #expect(session.partner == "tinyclues")
            #expect(session.allows(ImportCohort.method))
            #expect(!session.allows(ListCohortMembers.method))
            let partner = try await rig.partners.get(.init(partner: "tinyclues"), rig.caller("*"))
            #expect(partner.partner.displayName == "tinyclues")
            #expect(partner.keys.map(\.keyID) == [made.keyID])
            #expect(partner.restURL == "https://example.com/partners/tinyclues/cohorts")
            #expect(partner.cohorts == 0)
        }
    }

    @Test func aKeyCannotGrantAScopeItLacks() async throws {
        try await KeyFixture.with { rig in
            let maker = rig.caller("keys.*", "segments.check")
            for scopes in [["*"], ["segments.*"], ["users.get"], ["segments.check", "users.*"]] {
                await expect(.permissionDenied) {
                    try await rig.keys.create(CreateKey(kind: .service, name: "x", scopes: scopes), maker)
                }
            }
            await expect(.permissionDenied) {
                try await rig.keys.create(CreateKey(kind: .import, partner: "p", name: "x"), maker)
            }
            _ = try await rig.keys.create(CreateKey(kind: .service, name: "x", scopes: ["segments.check"]), maker)
            #expect(try await rig.keys.list(ListKeys(), rig.caller("*")).keys.map(\.name) == ["admin", "x"])
            #expect(try await rig.partners.list(ListPartners(), rig.caller("*")).partners.isEmpty)
        }
    }

    @Test func invalidInputIsRefusedAndCreatesNothing() async throws {
        try await KeyFixture.with { rig in
            let long = String(repeating: "n", count: Limits.nameBytes.value + 1)
            let tooMany = [String](repeating: "users.get", count: Limits.scopesPerKey.value + 1)
            let calls: [CreateKey] = [
                CreateKey(kind: .service, name: "", scopes: ["*"]),
                CreateKey(kind: .service, name: long, scopes: ["*"]),
                CreateKey(kind: .service, name: "x"),
                CreateKey(kind: .service, name: "x", scopes: []),
                CreateKey(kind: .service, name: "x", scopes: ["segment.check"]),
                CreateKey(kind: .service, name: "x", scopes: ["segments.*.*"]),
                CreateKey(kind: .service, name: "x", scopes: tooMany),
                CreateKey(kind: .service, partner: "p", name: "x", scopes: ["*"]),
                CreateKey(kind: .service, name: "x", scopes: ["*"], expiresAt: .init(microseconds: 1)),
                CreateKey(kind: .import, name: "x"),
                CreateKey(kind: .import, partner: "p", name: "x", scopes: ["*"]),
                CreateKey(kind: .import, partner: "P", name: "x"),
                CreateKey(kind: .import, partner: "", name: "x"),
                CreateKey(kind: .import, partner: "pé", name: "x"),
                CreateKey(kind: .import, partner: String(repeating: "p", count: 65), name: "x"),
            ]
            for call in calls {
                await expect(.invalidArgument) { try await rig.keys.create(call, rig.caller("*")) }
            }
            await expect(.notFound) { try await rig.keys.invalidate(.init(keyID: "k_0"), rig.caller("*")) }
            await expect(.notFound) { try await rig.partners.get(.init(partner: "none"), rig.caller("*")) }
            let left = try await rig.keys.list(ListKeys(), rig.caller("*")).keys
            #expect(left.map(\.name) == ["admin"])
        }
    }

    @Test func everyInvalidKeyIsRefusedWithTheSameMessage() async throws {
        try await KeyFixture.with { rig in
            let call = CreateKey(kind: .service, name: "x", scopes: ["*"])
            let ended = try await rig.keys.create(call, rig.caller("*"))
            _ = try await rig.keys.invalidate(.init(keyID: ended.keyID), rig.caller("*"))
            var soon = call
            soon.expiresAt = Instant(microseconds: Instant.now.microseconds + 300_000)
            let expired = try await rig.keys.create(soon, rig.caller("*"))
            let session = try await rig.open(expired.secret)
            try await Task.sleep(for: .milliseconds(320))
            let foreign = Secret(.service, in: WorkspaceID(rawValue: 4_711)).text
            let unknown = Secret(.service, in: rig.workspace).text
            for secret in ["", "hunter2", ended.secret, expired.secret, foreign, unknown, ended.secret + "\0"] {
                let error = await #expect(throws: RPCError.self) { try await rig.open(secret) }
                #expect(error == RPCError(.unauthenticated, "the key is not valid"))
            }
            await expect(.unauthenticated) { try rig.monitor.verify(session) }
        }
    }

    @Test func keysOfAnotherWorkspaceAreNotFound() async throws {
        try await TestDatabase.with { test in
            let other = try await test.makeWorkspace("other")
            try await test.withStore { store in
                let rig = KeyFixture(store, test.workspace)
                let call = CreateKey(kind: .import, partner: "p", name: "mine")
                let made = try await rig.keys.create(call, rig.caller("*"))
                let foreign = rig.caller("*", in: other)
                await expect(.notFound) { try await rig.keys.invalidate(.init(keyID: made.keyID), foreign) }
                await expect(.notFound) { try await rig.partners.get(.init(partner: "p"), foreign) }
                #expect(try await rig.keys.list(ListKeys(), foreign).keys.map(\.name) == ["admin"])
                _ = try await rig.open(made.secret)
            }
        }
    }

    /// Uses are kept to the hour, which began before the key was made.
    @Test func aNewKeyHasNoLastUse() async throws {
        try await KeyFixture.with { rig in
            let made = try await rig.keys.create(CreateKey(kind: .import, partner: "p", name: "x"), rig.caller("*"))
            let hour = Instant(microseconds: Instant.now.microseconds - 3_600_000_000)
            let later = Instant(microseconds: Instant.now.microseconds + 3_600_000_000)
            for (used, isShown) in [(hour, false), (later, true)] {
                try await rig.store.in(rig.workspace).keys.recordUse(of: [made.keyID], hour: used)
                let shown =
                    try await rig.keys.list(.init(partner: "p"), rig.caller("*")).keys
                    + rig.partners.get(.init(partner: "p"), rig.caller("*")).keys
                #expect(shown.count == 2)
                for key in shown { #expect(key.lastUsedAt == (isShown ? used : key.createdAt)) }
            }
        }
    }

    @Test func invalidatingTwiceKeepsTheFirstTime() async throws {
        try await KeyFixture.with { rig in
            let made = try await rig.keys.create(CreateKey(kind: .import, partner: "p", name: "x"), rig.caller("*"))
            let first = try await rig.keys.invalidate(.init(keyID: made.keyID), rig.caller("*"))
            let second = try await rig.keys.invalidate(.init(keyID: made.keyID), rig.caller("*"))
            #expect(first == second)
            #expect(try await rig.keys.list(.init(partner: "p"), rig.caller("*")).keys.first?.invalidatedAt != nil)
            #expect(try await rig.partners.get(.init(partner: "p"), rig.caller("*")).keys.isEmpty)
        }
    }

    @Test func aPartnerKeepsTheFieldsThatACallLeavesOut() async throws {
        try await KeyFixture.with { rig in
            let caller = rig.caller("*")
            let made = try await rig.partners.set(SetPartner(partner: "p"), caller)
            #expect(made == PartnerInfo(partner: "p", displayName: "p", enabled: true, requiresPartnerAPIKey: false))
            _ = try await rig.partners.set(
                SetPartner(partner: "p", displayName: "Pea", partnerAPIKey: "0123456789abcdef"), caller)
            let off = try await rig.partners.set(SetPartner(partner: "p", enabled: false), caller)
            #expect(off == PartnerInfo(partner: "p", displayName: "Pea", enabled: false, requiresPartnerAPIKey: true))
            let without = try await rig.partners.set(SetPartner(partner: "p", partnerAPIKey: ""), caller)
            #expect(!without.requiresPartnerAPIKey)
            for key in ["short", "0123456789abcdef\n", " 0123456789abcdef", "0123456789\tabcdef"] {
                await expect(.invalidArgument) {
                    try await rig.partners.set(SetPartner(partner: "p", partnerAPIKey: key), caller)
                }
            }
        }
    }

    private func expect<R>(_ code: RPCCode, _ body: () async throws -> R) async {
        let error = await #expect(throws: RPCError.self) { _ = try await body() }
        #expect(error?.code == code)
    }
}
