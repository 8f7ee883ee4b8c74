import Hummingbird
import HummingbirdCore
import MusterHandlers
import MusterProtocol

/// The routes of partners, who prove who they are in the body.
struct PartnerRoutes {
    let desk: AccessDesk

    func add(to routes: Hummingbird.Router<RESTContext>, _ all: RESTRoutes) {
        routes.post("/partners/:partner/cohorts/users") { request, context in
            await all.answer { try await change(request, partner: try context.parameters.require("partner")) }
        }
        routes.post("/partners/:partner/cohorts") { request, context in
            await all.answer { try await name(request, partner: try context.parameters.require("partner")) }
        }
    }

    /// Names a cohort, or renames it.
    private func name(_ request: Request, partner: String) async throws -> RESTAnswer {
        let (credentials, body) = try await request.json { value in
            (
                try JSONDecoding.decode(Credentials.self, from: value),
                Result { try JSONDecoding.decode(NameBody.self, from: value) }
            )
        }
        let deadline = ContinuousClock.now + .seconds(5)
        let session = try await admit(credentials, to: partner, deadline: deadline)
        let call = try body.get()
        _ = try await desk.answer(
            CreateCohort(partner: partner, cohortID: call.cohortID, name: call.name, createdAt: call.createdAt),
            as: session, secret: credentials.clientSecret, deadline: deadline)
        return RESTAnswer(.created, Message.success)
    }

    /// Changes the members of a cohort.
    private func change(_ request: Request, partner: String) async throws -> RESTAnswer {
        let (credentials, body) = try await request.json { value in
            (
                try JSONDecoding.decode(Credentials.self, from: value),
                Result { try JSONDecoding.decode(ChangeBody.self, from: value) }
            )
        }
        let deadline = ContinuousClock.now + .seconds(5)
        let session = try await admit(credentials, to: partner, deadline: deadline)
        let call = try body.get()
        let reply = try await desk.answer(
            ImportCohort(partner: partner, cohortID: call.cohortID, changes: call.changes), as: session,
            secret: credentials.clientSecret, deadline: deadline)
        return RESTAnswer(.created, Imported(reply))
    }

    private func admit(
        _ credentials: Credentials, to partner: String, deadline: ContinuousClock.Instant
    ) async throws -> Session {
        let session = try await desk.session(for: credentials.clientSecret, deadline: deadline)
        guard session.kind == .import, session.partner == partner else {
            throw Refusal(.unauthorized, "Invalid client secret")
        }
        return session
    }
}
