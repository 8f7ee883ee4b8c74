public import MusterProtocol
import MusterSets
import MusterUsers

extension AudienceStore {
    /// A sample of the users that match a question, now or as of `versions`: the same for the same seed and state,
    /// without the users erased since.
    public func sample(
        _ count: Int, seed: Int64, of question: Question, at versions: Versions?, allIdentifiers: Bool
    ) async throws -> ListingPage {
        let past: PastMembers
        if let versions {
            past = try await members(of: question, at: versions, sets: nil)
        } else {
            past = try await read(question).pastMembers
        }
        let numbers = past.members.sample(count, seed: UInt64(bitPattern: seed)).map { UserNumber(rawValue: $0) }
        let shown = try await shown(numbers, of: past.members, allIdentifiers: allIdentifiers)
        return ListingPage(
            members: shown.map(\.member), size: try await presentCount(of: past.members), versions: past.versions)
    }
}
