import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterProtocol
import MusterStore

/// Segments as Braze's clients read them, and what they look for beside them.
struct SegmentRoutes {
    /// Segments in a page of Braze's.
    private static let pageSize = 100

    func add(to routes: Router<RESTContext>, _ all: RESTRoutes) {
        routes.get("/segments/list") { request, _ in
            await all.answer(to: request) { caller in try await list(Query(request), caller) }
        }
        routes.get("/segments/details") { request, _ in
            await all.answer(to: request) { caller in try await details(Query(request), caller) }
        }
        routes.get("/segments/data_series") { request, _ in
            await all.answer(to: request) { caller in try await dataSeries(Query(request), caller) }
        }
        // Connectors ask for these to see whether a key works. There are no campaigns yet.
        routes.get("/campaigns/list") { request, _ in
            await all.answer(to: request) { caller in
                try await caller.authorize("campaigns.list")
                return RESTAnswer(.ok, NoCampaigns())
            }
        }
        routes.get("/canvas/list") { request, _ in
            await all.answer(to: request) { caller in
                try await caller.authorize("canvas.list")
                return RESTAnswer(.ok, NoCanvases())
            }
        }
    }

    private func list(_ query: Query, _ caller: ServiceCaller) async throws -> RESTAnswer {
        let page = try query.number("page", 0...1_000_000_000) ?? 0
        let direction = try query.text("sort_direction") ?? "asc"
        guard direction == "asc" || direction == "desc" else {
            throw Refusal(
                .badRequest, .unknownValue, field: "sort_direction", "sort_direction must be asc or desc")
        }
        let reply = try await caller.send(
            ListSegments(
                order: direction == "asc" ? .oldestFirst : .newestFirst, skip: page * Self.pageSize,
                pageSize: Self.pageSize))
        return RESTAnswer(.ok, SegmentList(reply.segments))
    }

    private func details(_ query: Query, _ caller: ServiceCaller) async throws -> RESTAnswer {
        let id = try query.segmentID()
        let segment = try await SegmentAPIIdentifier.judging { try await caller.send(GetSegment(segmentID: id)) }
        return RESTAnswer(.ok, SegmentDetails(segment))
    }

    private func dataSeries(_ query: Query, _ caller: ServiceCaller) async throws -> RESTAnswer {
        let id = try query.segmentID()
        guard let length = try query.number("length", 1...Limits.dataSeriesDays.value, Limits.dataSeriesDays) else {
            throw Refusal(.badRequest, .missing, field: "length", "length is missing")
        }
        let call = SegmentDataSeries(segmentID: id, length: length, endingAt: try query.moment("ending_at"))
        let reply = try await SegmentAPIIdentifier.judging { try await caller.send(call) }
        return RESTAnswer(.ok, DataSeries(data: reply.data))
    }
}

extension Query {
    fileprivate func segmentID() throws -> Identifier {
        guard let text = try text("segment_id") else { throw SegmentAPIIdentifier.missing }
        return Identifier(text)
    }
}
