import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Synchronization
import TestSupport
import Testing

@testable import MusterStore

/// Somebody changes who is who, through another server, while a check through this one is held at some point between
/// its proof and its answer. The check answers of before or of after, whole; the next one of after.
@Suite(.serialized) struct StaleMemoryTests {
    enum Event: String, CaseIterable {
        case imported, removed, merged, erased, renamed, aliasMoved, aliasAdded, segmentChanged, attributeChanged,
            rewound
    }

    private static let places: [Failpoints.Place] = [.proofArrived, .refreshBegan, .readProved]
    private static let users: [UserReference] = [
        .externalID("u-0"), .externalID("u-1"), .externalID("u-2"), .externalID("renamed"),
        .alias(Alias(label: "crm", name: "a")),
    ]

    @Test(arguments: Event.allCases, [true, false])
    func aHeldCheckIsOfOneState(_ event: Event, isInMemory: Bool) async throws {
        for place in Self.places {
            try await ServerPair.with(users: .users(0..<4)) { pair in
                try await prepare(pair)
                let before = try await check(pair.throughB)
                if isInMemory {
                    try await pair.b.store.untilDirectoryIsLoaded(of: pair.workspace.id)
                    #expect(try await check(pair.throughB) == before)
                } else {
                    pair.b.store.forgetSets(of: pair.workspace.id)
                }
                let held = try await checkHeld(at: place, pair) {
                    try await happen(event, pair)
                }
                let after = try await check(pair.throughB)
                #expect(try await check(pair.throughA) == after, "\(event), \(place): the servers differ")
                #expect(after != before, "\(event) changes nothing")
                if let held { #expect(held == before || held == after, "\(event), \(place): \(held)") }
                try await pair.expectSound()
            }
        }
    }

    private func prepare(_ pair: ServerPair) async throws {
        _ = try await pair.throughA.send(
            UpsertUsers(users: [
                UserEntry(externalID: "u-0", aliases: [Alias(label: "crm", name: "a")]),
                UserEntry(externalID: "u-1", attributes: Attributes([.init(name: Array("x".utf8), value: 1)])),
            ]))
        try await pair.throughA.importCohort("c", adding: ["u-0"])
        try await pair.throughA.importCohort("c", adding: ["u-2"])
        for (id, filter) in [
            ("in", Filter.cohort("c")), ("out", .not(.cohort("c"))),
            ("x", .attribute("x", .equals, .number(1))),
            ("named", .identifier(IdentifierFilter(kind: .externalID))),
        ] {
            _ = try await pair.throughA.send(CreateSegment(segmentID: Identifier(id), name: id, filter: filter))
        }
    }

    private func check(_ client: MusterClient) async throws -> [CheckResult] {
        try await client.send(CheckSegments(users: Self.users, segments: ["in", "out", "x", "named"])).results
    }

    /// Nil where the check does not come to the place.
    private func checkHeld(
        at place: Failpoints.Place, _ pair: ServerPair, _ happen: () async throws -> Void
    ) async throws -> [CheckResult]? {
        let gate = Gate()
        defer { gate.open() }
        pair.b.store.failpoints.setBlocking(place) { gate.hold() }
        defer { pair.b.store.failpoints.setBlocking(place, nil) }
        async let held = check(pair.throughB)
        let isHeld = await gate.untilHeld(within: .seconds(1))
        try await happen()
        gate.open()
        let result = try await held
        return isHeld ? result : nil
    }

    private func happen(_ event: Event, _ pair: ServerPair) async throws {
        let client = pair.throughA
        switch event {
        case .imported: try await client.importCohort("c", adding: ["u-1"])
        case .removed: try await client.importCohort("c", removing: ["u-0"])
        case .merged: _ = try await client.send(MergeUsers(merge: .externalID("u-0"), keep: .externalID("u-1")))
        case .erased: _ = try await client.send(DeleteUsers(users: [.externalID("u-0")]))
        case .renamed:
            _ = try await client.send(
                RenameExternalIDs(renames: [.init(current: "u-0", new: "renamed")]))
        case .aliasMoved:
            _ = try await client.send(DeleteUsers(users: [.externalID("u-0")]))
            _ = try await client.send(
                UpsertUsers(users: [UserEntry(externalID: "u-3", aliases: [Alias(label: "crm", name: "a")])]))
            try await client.importCohort("c", adding: ["u-3"])
        case .aliasAdded:
            _ = try await client.send(
                UpsertUsers(users: [UserEntry(externalID: "renamed", aliases: [Alias(label: "crm", name: "b")])]))
        case .segmentChanged:
            _ = try await client.send(UpdateSegment(segmentID: "in", filter: .not(.cohort("c"))))
        case .attributeChanged:
            _ = try await client.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "u-1", attributes: Attributes([.init(name: Array("x".utf8), value: 2)]))
                ]))
        case .rewound: try await pair.rewindCohort("c", toVersion: 1, thenAdding: nil)
        }
    }
}

/// Holds the first thread that comes, until it is opened.
private final class Gate: Sendable {
    private let isHeld = Atomic(false)
    private let isOpen = Atomic(false)

    func hold() {
        isHeld.store(true, ordering: .sequentiallyConsistent)
        for _ in 0..<10_000 where !isOpen.load(ordering: .sequentiallyConsistent) { usleep(1_000) }
    }

    func open() { isOpen.store(true, ordering: .sequentiallyConsistent) }

    func untilHeld(within patience: Duration) async -> Bool {
        let limit = ContinuousClock.now + patience
        while !isHeld.load(ordering: .sequentiallyConsistent) {
            if .now > limit { return false }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return true
    }
}

extension Store {
    /// Waits until checks find users in memory.
    fileprivate func untilDirectoryIsLoaded(of workspace: WorkspaceID) async throws {
        for _ in 0..<1_000 where reads.resources.directories.directory(of: workspace) == nil {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(reads.resources.directories.directory(of: workspace) != nil)
    }
}
