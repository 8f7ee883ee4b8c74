import MusterClient
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import Testing

@Suite struct SegmentRouteTests {
    private struct List: Decodable {
        struct Entry: Decodable, Equatable { let id: String }
        let segments: [Entry]
    }

    @Test func segmentsAreListedByAgeAHundredAPage() async throws {
        try await withMuster { muster in
            // Ids whose order is not that of their age.
            let ids = (0..<105).map { "s-\(($0 * 37) % 105)" }
            for id in ids {
                _ = try await muster.send(
                    CreateSegment(segmentID: Identifier(id), name: "n \(id)", filter: .everyone))
            }
            func list(_ query: String) async throws -> [String] {
                try await muster.admin("GET", "/segments/list\(query)").decode(List.self).segments.map(\.id)
            }
            #expect(try await list("") == Array(ids[..<100]))
            #expect(try await list("?page=1&sort_direction=asc") == Array(ids[100...]))
            #expect(try await list("?sort_direction=desc") == Array(ids.reversed()[..<100]))
            #expect(try await list("?page=1&sort_direction=desc") == Array(ids.reversed()[100...]))
            #expect(try await list("?page=2") == [])
            let text = try await muster.admin("GET", "/segments/list?page=1").text
            let id = ids[100]
            #expect(
                text.hasPrefix(
                    #"{"message":"success","segments":[{"id":"\#(id)","name":"n \#(id)","analytics_tracking_enabled":true,"tags":[]}"#
                ))
        }
    }

    @Test func theSameOrdersPageByTokensOverTheRPC() async throws {
        try await withMuster { muster in
            for id in ["b", "c", "a"] {
                _ = try await muster.send(CreateSegment(segmentID: Identifier(id), name: id, filter: .everyone))
            }
            for (order, expected) in [
                (SegmentOrder.segmentID, ["a", "b", "c"]), (.oldestFirst, ["b", "c", "a"]),
                (.newestFirst, ["a", "c", "b"]),
            ] {
                var found: [String] = []
                for try await segment in muster.client.entries(of: ListSegments(order: order, pageSize: 1)) {
                    found.append(segment.segmentID.text)
                }
                #expect(found == expected)
            }
            let skipped = try await muster.send(ListSegments(order: .newestFirst, skip: 1)).segments
            #expect(skipped.map(\.segmentID) == ["c", "b"])
        }
    }

    @Test func detailsDescribeTheFilterInWords() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.importCohort("win-back", adding: ["u-1"])
            let filter = Filter.all([
                .cohort("tinyclues", "win-back"), .not(.cohort("tinyclues", "win-back")),
                .any([.attribute("country", .equals, .string("FR")), .attribute("visits", .greaterThan, .number(3))]),
            ])
            _ = try await muster.send(CreateSegment(segmentID: "s 1", name: "Win back", filter: filter))
            let segment = try await muster.send(GetSegment(segmentID: "s 1"))
            let reply = try await muster.admin("GET", "/segments/details?segment_id=s%201")
            #expect(reply.status == 200)
            #expect(
                reply.text == """
                    {"message":"success","created_at":"\(segment.createdAt.iso8601)","updated_at":"\(segment.updatedAt.iso8601)",\
                    "name":"Win back","description":"includes the cohort \\"win-back\\" of tinyclues and doesn't include the cohort \
                    \\"win-back\\" of tinyclues and (country equals \\"FR\\" or visits greater than 3)","text_description":"","tags":[],"teams":[]}
                    """)
        }
    }

    @Test func detailsDescribeEventAndPurchaseFilters() async throws {
        try await withMuster { muster in
            let filter = Filter.all([
                .event(EventFilter(name: "visit", count: CountTest(.greaterThan, 2), withinDays: 30)),
                .purchase(PurchaseFilter(productID: "mug", totalSpent: AmountTest(.lessThan, 9.5))),
            ])
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "s", filter: filter))
            let reply = try await muster.admin("GET", "/segments/details?segment_id=s")
            #expect(
                reply.text.contains(
                    #""description":"did \"visit\" greater than 2 times, in the last 30 days and bought \"mug\", total spent less than 9.5""#
                ))
        }
    }

    /// Also where there are as many of them as one pass takes.
    @Test(arguments: [1, 20]) func aSegmentThatCannotBeCountedDoesNotStopTheOthers(bad: Int) async throws {
        try await withMuster(users: ["u-1"]) { muster in
            for id: Identifier in ["a", "b"] { try await muster.importCohort(id, adding: ["u-1"]) }
            for id in (0..<bad).map({ Identifier("a-\($0)") }) {
                _ = try await muster.send(CreateSegment(segmentID: id, name: "s", filter: .cohort("tinyclues", "a")))
            }
            _ = try await muster.send(CreateSegment(segmentID: "b", name: "s", filter: .cohort("tinyclues", "b")))
            try await muster.database.run(
                """
                UPDATE set_change x SET added = set_byte(added, 20, get_byte(added, 20) # 1) FROM cohort c
                WHERE c.cohort_id = 'a' AND x.set_number = c.set_number
                """)
            let second = try await TestServer(
                databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            var recorded = 0
            for _ in 0..<2 { recorded += try await second.store.maintenance.run(Retention()).sizesRecorded }
            #expect(recorded == 1)
            let reply = try await muster.admin("GET", "/segments/data_series?segment_id=b&length=1")
            #expect(reply.text.contains(#""size":1"#))
            await second.stop()
        }
    }

    @Test func aSizeIsRecordedOnceADayAndIsExact() async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3"]) { muster in
            try await muster.importCohort("c", adding: ["u-1", "u-2"])
            _ = try await muster.send(
                CreateSegment(segmentID: "s", name: "s", filter: .cohort("tinyclues", "c")))
            let today = String(Instant.now.iso8601.prefix(10))
            #expect(try await muster.server.store.maintenance.run(Retention()).sizesRecorded == 1)
            try await muster.importCohort("c", adding: ["u-3"])
            // Two servers at once, later on the same day: the first record stays.
            let second = try await TestServer(
                databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            async let one = muster.server.store.maintenance.run(Retention())
            async let other = second.store.maintenance.run(Retention())
            let reports = try await (one, other)
            #expect(reports.0.sizesRecorded + reports.1.sizesRecorded == 0)
            try await muster.database.run("UPDATE segment_size SET day = day - 1")
            async let three = muster.server.store.maintenance.run(Retention())
            async let four = second.store.maintenance.run(Retention())
            let later = try await (three, four)
            #expect(later.0.sizesRecorded + later.1.sizesRecorded == 1)
            await second.stop()

            let reply = try await muster.admin("GET", "/segments/data_series?segment_id=s&length=14")
            #expect(reply.status == 200)
            let yesterday = String(
                Instant(microseconds: Instant.now.microseconds - 86_400_000_000).iso8601.prefix(10))
            #expect(
                reply.text
                    == #"{"message":"success","data":[{"time":"\#(yesterday)","size":2},{"time":"\#(today)","size":3}]}"#
            )
            let earlier = try await muster.admin(
                "GET", "/segments/data_series?segment_id=s&length=1&ending_at=\(yesterday)T12:00:00Z")
            #expect(earlier.text == #"{"message":"success","data":[{"time":"\#(yesterday)","size":2}]}"#)
            let none = try await muster.admin(
                "GET", "/segments/data_series?segment_id=s&length=100&ending_at=2018-06-27")
            #expect(none.text == #"{"message":"success","data":[]}"#)
        }
    }

    @Test func aPassRecordsABoundedNumberAndTheNextContinues() async throws {
        try await withMuster { muster in
            for number in 0..<23 {
                _ = try await muster.send(
                    CreateSegment(segmentID: Identifier("s-\(number)"), name: "x", filter: .everyone))
            }
            var recorded: [Int] = []
            for _ in 0..<3 { recorded.append(try await muster.server.store.maintenance.run(Retention()).sizesRecorded) }
            #expect(recorded == [20, 3, 0])
        }
    }

    @Test(arguments: [
        ("/segments/details", "segment_id must be a string of the Segment api identifier"),
        ("/segments/details?segment_id=", "segment_id must be"),
        ("/segments/details?segment_id=x", "segment_id must be"),
        ("/segments/data_series?length=3", "segment_id must be"),
        ("/segments/data_series?segment_id=x&length=3", "segment_id must be"),
        ("/segments/data_series?segment_id=s", "length is missing"),
        ("/segments/data_series?segment_id=s&length=0", "length must be"),
        ("/segments/data_series?segment_id=s&length=101", "length must be"),
        ("/segments/data_series?segment_id=s&length=x", "length must be"),
        ("/segments/data_series?segment_id=s&length=3&ending_at=soon", "ending_at must be"),
        ("/segments/data_series?segment_id=s&length=3&ending_at=0000-01-01", "ending_at must not be"),
        ("/segments/list?page=-1", "page must be"), ("/segments/list?page=x", "page must be"),
        ("/segments/list?page=99999999999999999999", "page must be"),
        ("/segments/list?sort_direction=up", "sort_direction must be"),
    ])
    func aWrongParameterIsRefused(path: String, message: String) async throws {
        try await withMuster { muster in
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "s", filter: .everyone))
            let reply = try await muster.admin("GET", path)
            #expect(reply.status == 400, "\(reply.text)")
            #expect(try reply.problem.message.hasPrefix(message), "\(reply.text)")
        }
    }

    @Test func thereAreNoCampaignsYet() async throws {
        try await withMuster { muster in
            let answers = [
                "/campaigns/list": (#"{"message":"success","campaigns":[]}"#, "campaigns.list"),
                "/canvas/list": (#"{"message":"success","canvases":[]}"#, "canvas.list"),
            ]
            let other = try await muster.send(CreateKey(kind: .service, name: "x", scopes: ["users.get"])).secret
            for (path, (body, scope)) in answers {
                let own = try await muster.send(CreateKey(kind: .service, name: "x", scopes: [scope])).secret
                let reply = try await muster.server.rest("GET", path, bearer: own)
                #expect(reply.status == 200 && reply.text == body)
                #expect(try await muster.server.rest("GET", path).status == 401)
                #expect(try await muster.server.rest("GET", path, bearer: other).status == 403)
            }
        }
    }

    @Test(arguments: [
        "/segments/list", "/segments/details?segment_id=s", "/segments/data_series?segment_id=s&length=1",
    ])
    func theKeyDecides(path: String) async throws {
        try await withMuster { muster in
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "s", filter: .everyone))
            let other = try await muster.send(CreateKey(kind: .service, name: "x", scopes: ["users.get"])).secret
            #expect(try await muster.server.rest("GET", path).status == 401)
            #expect(try await muster.server.rest("GET", path, bearer: other).status == 403)
            #expect(try await muster.admin("GET", path).status == 200)
        }
    }
}
