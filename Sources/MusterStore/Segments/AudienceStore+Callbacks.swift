public import MusterProtocol

/// Where answers are made: an event loop, or a shared thread for callers that wait in a task.
public protocol AnswerLoop: AnyObject, Sendable {
    /// Runs `body` on the loop, soon. The answers of one `body` leave together.
    func execute(_ body: @escaping @Sendable () -> Void)
}

extension AudienceStore {
    /// Tests whether users are in segments. `then` runs on `loop`, once.
    public func membership(
        of users: [UserReference], in question: Question, maxStaleness: Duration, on loop: any AnswerLoop,
        then: @escaping @Sendable (Result<Membership, any Error>) -> Void
    ) {
        Task {
            let result: Result<Membership, any Error>
            do {
                result = .success(try await membership(of: users, in: question, maxStaleness: maxStaleness))
            } catch {
                result = .failure(error)
            }
            loop.execute { then(result) }
        }
    }

    /// Counts the users that match a question. `then` runs on `loop`, once.
    public func size(
        of question: Question, withNodes: Bool, maxStaleness: Duration, on loop: any AnswerLoop,
        then: @escaping @Sendable (Result<SizeSegment.Reply, any Error>) -> Void
    ) {
        Task {
            let result: Result<SizeSegment.Reply, any Error>
            do {
                result = .success(try await size(of: question, withNodes: withNodes, maxStaleness: maxStaleness))
            } catch {
                result = .failure(error)
            }
            loop.execute { then(result) }
        }
    }
}
