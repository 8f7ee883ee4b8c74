import CFuzzer
import MusterProtocol
import MusterUsers

/// Any bytes as the bodies of calls that write users, events and cohorts, applied to a workspace in memory.
@main struct FuzzUsers {
    static func main() {
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        withUnsafeMutablePointer(to: &arguments) { pointer in
            pointer.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) {
                _ = LLVMFuzzerRunDriver(&count, $0) { bytes, count in
                    let input = UnsafeRawBufferPointer(start: bytes, count: count)
                    checkStoredOutcomes(Array(input))
                    checkContacts(Identifier(bytes: input))
                    // Only reading may throw: the checks trap.
                    try? JSONReader(values: 10_000).read(input, checkMessage)
                    return 0
                }
            }
        }
    }
}

/// One message as the body of each call. The calls share a workspace, so that later ones find users.
func checkMessage(_ message: JSONValue) {
    var workspace = MemoryWorkspace()
    if let call = try? JSONDecoding.decode(UpsertUsers.self, from: message) {
        checkUpsert(UpsertBatch(call.users.map { ValidatedEntry($0) }), in: &workspace)
    }
    if let call = try? JSONDecoding.decode(AddAliases.self, from: message) {
        checkUpsert(UpsertBatch(call.userAliases.map(ValidatedEntry.init)), in: &workspace)
    }
    if let call = try? JSONDecoding.decode(TrackUsers.self, from: message) { checkTrack(call, in: &workspace) }
    if let changes = try? JSONDecoding.decode(CohortChanges.self, from: message).cohortChanges {
        checkImport(changes, in: workspace)
    }
    if let filter = try? JSONDecoding.decode(SegmentFilter.self, from: message).filter { checkFilter(filter) }
}

/// Runs what must not throw.
func must<R>(_ body: () throws -> R) -> R {
    do { return try body() } catch { preconditionFailure("an error where none may be: \(error)") }
}

/// The part of `cohorts.import` that names users.
struct CohortChanges: Codable {
    var cohortChanges: [CohortChange]

    enum CodingKeys: String, CodingKey { case cohortChanges = "cohort_changes" }
}

/// The part of the calls on segments that has leaves over events.
struct SegmentFilter: Codable {
    var filter: Filter
}
