import MusterREST
import MusterStore
import Postgres

extension Schema {
    /// Whether calls can be served from this database now. Asked with little patience: whoever asks asks again soon.
    func readiness(isDraining: Bool) async -> Readiness {
        do {
            try await check(deadline: .now + .seconds(2))
            return Readiness(postgres: true, schema: true, draining: isDraining)
        } catch is SchemaMismatch {
            return Readiness(postgres: true, schema: false, draining: isDraining)
        } catch is AccessProblem {
            return Readiness(postgres: true, schema: false, draining: isDraining)
        } catch {
            return Readiness(postgres: false, schema: false, draining: isDraining)
        }
    }
}
