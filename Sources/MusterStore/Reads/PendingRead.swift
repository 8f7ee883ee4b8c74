import MusterProtocol
import MusterUsers
import Postgres
import Synchronization

/// A read that waits for proof that memory is current. It waits on a list and in no task.
final class PendingRead: Sendable {
    typealias Finish = @Sendable (Result<ProvedRead, any Error>) -> Void

    let question: Question
    /// The question's plan when it was asked, if there was one.
    let plan: QueryPlan?
    /// The users that it asks about.
    let users: [UserReference]
    /// A digest of each user's identifier; nil where one of them can't be found by the directory.
    let digests: [IdentifierDigest]?
    /// Whether the sets of computed leaves are needed, and not only the rows of the question's users.
    let needsSets: Bool
    /// Whether later reads of its kind accept an older state, so that sets of computed leaves are worth making.
    let mayBeStale: Bool
    let deadline: ContinuousClock.Instant
    let loop: any AnswerLoop
    private let isEnded = Atomic(false)
    private let finish: Finish

    /// - Parameter finish: called once, on `loop`.
    init(
        _ question: Question, plan: QueryPlan? = nil, users: [UserReference] = [], digests: [IdentifierDigest]? = nil,
        needsSets: Bool,
        mayBeStale: Bool = false,
        deadline: ContinuousClock.Instant, on loop: any AnswerLoop, _ finish: @escaping Finish
    ) {
        self.question = question
        self.plan = plan
        self.users = users
        self.digests = digests
        self.needsSets = needsSets
        self.mayBeStale = mayBeStale
        self.deadline = deadline
        self.loop = loop
        self.finish = finish
    }

    /// Whether nobody waits any more.
    var hasEnded: Bool { isEnded.load(ordering: .relaxed) }

    /// Ends the wait, unless it has ended. Call it on the read's loop.
    func end(_ result: Result<ProvedRead, any Error>) {
        if !isEnded.exchange(true, ordering: .relaxed) { finish(result) }
    }
}

/// Results of many reads, to be handed to each loop once.
struct Answers {
    private var loops:
        [ObjectIdentifier: (loop: any AnswerLoop, answers: [(PendingRead, Result<ProvedRead, any Error>)])] =
            [:]

    mutating func add(_ read: PendingRead, _ result: Result<ProvedRead, any Error>) {
        loops[ObjectIdentifier(read.loop), default: (read.loop, [])].answers.append((read, result))
    }

    func handOut() {
        for (loop, answers) in loops.values {
            loop.execute { for (read, result) in answers { read.end(result) } }
        }
    }
}
