import MusterStore
import Postgres

extension Schema {
    /// Whether calls can be served from this database now. It has a short deadline, since probes repeat.
    ///
    /// The caller adds the state of the process after this returns, since that may change while PostgreSQL is asked.
    func readiness() async -> Readiness {
        var readiness = Readiness(postgres: true, schema: true, listening: false, draining: false)
        readiness.overloaded = database.activity(within: 1_000).isOverloaded
        do {
            try await check(deadline: .now + .seconds(2))
        } catch let error where error is SchemaMismatch || error is AccessProblem {
            (readiness.schema, readiness.cause) = (false, "\(error)")
        } catch let error as PostgresError
            where [.deadlineExceeded, .overloaded].contains(error.kind) && database.activity(within: 2_000).hasEnded
        {
            // PostgreSQL is slow, but works.
            readiness.overloaded = true
        } catch {
            (readiness.postgres, readiness.schema) = (false, false)
            readiness.cause = (error as? PostgresError)?.cause ?? "\(error)"
        }
        return readiness
    }
}
