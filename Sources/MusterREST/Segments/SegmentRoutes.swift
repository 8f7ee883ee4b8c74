import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHTTP
import MusterProtocol

/// Segments as Braze's clients read them, and the lists of campaigns and canvases that they expect beside them.
struct SegmentRoutes {
    /// Segments in a page, as in Braze.
    private static let pageSize = 100

    func add(to routes: RouterGroup<RESTContext>) {
        routes.get("/segments/list") { request, context in try await list(Query(request), context.caller) }
        routes.get("/segments/details") { request, context in try await details(Query(request), context.caller) }
        routes.get("/segments/data_series") { request, context in
            try await dataSeries(Query(request), context.caller)
        }
        // Connectors ask for these to check a key. There are no campaigns yet.
        routes.get("/campaigns/list") { _, context in
            try await context.caller.authorize("campaigns.list")
            return JSONResponse(.ok, NoCampaigns())
        }
        routes.get("/canvas/list") { _, context in
            try await context.caller.authorize("canvas.list")
            return JSONResponse(.ok, NoCanvases())
        }
    }

    private func list(_ query: Query, _ caller: Caller) async throws -> JSONResponse {
        let page = try query.number("page", 0...1_000_000_000) ?? 0
        let direction = try query.text("sort_direction") ?? "asc"
        guard direction == "asc" || direction == "desc" else {
            throw HTTPProblem(
                .badRequest, .unknownValue, field: "sort_direction", "sort_direction must be asc or desc")
        }
        let reply = try await caller.send(
            ListSegments(
                order: direction == "asc" ? .oldestFirst : .newestFirst, skip: page * Self.pageSize,
                pageSize: Self.pageSize))
        return JSONResponse(.ok, SegmentList(reply.segments))
    }

    private func details(_ query: Query, _ caller: Caller) async throws -> JSONResponse {
        let id = try query.segmentID()
        let segment = try await SegmentAPIIdentifier.mapErrors { try await caller.send(GetSegment(segmentID: id)) }
        return JSONResponse(.ok, SegmentDetails(segment))
    }

    private func dataSeries(_ query: Query, _ caller: Caller) async throws -> JSONResponse {
        let id = try query.segmentID()
        guard let length = try query.number("length", 1...Limits.dataSeriesDays.value, Limits.dataSeriesDays) else {
            throw HTTPProblem(.badRequest, .missing, field: "length", "length is missing")
        }
        let call = SegmentDataSeries(segmentID: id, length: length, endingAt: try query.moment("ending_at"))
        let reply = try await SegmentAPIIdentifier.mapErrors { try await caller.send(call) }
        return JSONResponse(.ok, DataSeries(data: reply.data))
    }
}

extension Query {
    fileprivate func segmentID() throws -> Identifier {
        guard let text = try text("segment_id") else { throw SegmentAPIIdentifier.missing }
        return Identifier(text)
    }
}
