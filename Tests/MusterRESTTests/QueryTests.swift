import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

@testable import MusterStore

/// What stands behind the `?` of an address, as clients write it.
@Suite struct QueryTests {
    private func withSegments(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster { muster in
            for id in ["win back", "win+back", "a&b=c%41", "élan"] {
                _ = try await muster.send(
                    CreateSegment(segmentID: Identifier(id), name: "named \(id)", filter: .everyone))
            }
            try await body(muster)
        }
    }

    /// Over a socket of its own: clients mend what is not well-formed before they send it.
    private func get(_ muster: MusterUnderTest, _ target: String) async throws -> RawAnswer {
        let connection = try await RawHTTP(port: try await muster.server.restPort())
        try await connection.send(
            "GET", target, headers: ["Authorization: Bearer \(muster.server.workspace.adminKey.text)"])
        let answer = try await connection.answer()
        await connection.close()
        return try #require(answer)
    }

    @Test(arguments: [
        ("win+back", "win back"), ("win%20back", "win back"), ("win%2Bback", "win+back"), ("win%2bback", "win+back"),
        ("a%26b=c%2541", "a&b=c%41"), ("%C3%A9lan", "élan"), ("win+back&other=%zz", "win back"),
    ]) func aPlusIsASpace(written: String, id: String) async throws {
        try await withSegments { muster in
            let reply = try await get(muster, "/segments/details?segment_id=\(written)")
            #expect(reply.status == 200 && reply.body.contains("\"name\":\"named \(id)\""), "\(reply.body)")
            let series = try await get(muster, "/segments/data_series?length=1&segment%5Fid=\(written)")
            #expect(series.status == 200, "\(series.body)")
        }
    }

    @Test func anUnreadableQueryIsReported() async throws {
        let (unreadable, twice) = ("segment_id must be UTF-8, with %", "segment_id stands in the query more than once")
        let unknown = "segment_id must be a string of the Segment api identifier"
        try await withSegments { muster in
            for (query, words) in [
                ("segment_id=%zz", unreadable), ("segment_id=%C3", unreadable), ("segment_id=a%", unreadable),
                ("segment_id=a%2", unreadable), ("segment_id=%ff%fe", unreadable),
                ("segment_id=%ED%A0%80", unreadable), ("segment_id=a%00b", "segment_id has a control character"),
                ("segment_id=win+back&segment_id=win+back", twice), ("segment_id=win+back&segment%5fid=x", twice),
                ("segment_id=", unknown), ("segment_id", unknown), ("", unknown),
            ] {
                let reply = try await get(muster, "/segments/details?\(query)")
                #expect(reply.status == 400, "\(query): \(reply.body)")
                #expect(reply.message?.hasPrefix(words) == true, "\(query): \(reply.body)")
            }
        }
    }

    /// At midnight, where a plus that is lost is another day.
    @Test(arguments: [
        ("2026-11-27+10%3A00%3A00", 27), ("2026-11-27T00:30:00+01:00", 26), ("2026-11-27T00:30:00%2B01:00", 26),
        ("2026-11-27+00:30:00+01:00", 26), ("2026-11-27T00:30:00+00:00", 27), ("2026-11-26T23:30:00-01:00", 27),
        ("2026-11-26T23:59:59.5Z", 26), ("2026-11-27", 27), ("2026-11-26", 26), ("20261127T003000+0100", 26),
    ]) func aTimeIsReadWithEveryFormOfPlus(time: String, day: Int) async throws {
        try await withSegments { muster in
            for day in ["2026-11-26", "2026-11-27"] {
                let noon = try #require(Instant(iso8601: "\(day)T12:00:00Z".utf8))
                let maintenance = muster.server.store.maintenance.in(muster.server.workspace.id)
                _ = try await maintenance.recordSizes(at: noon)
            }
            let reply = try await get(
                muster, "/segments/data_series?segment_id=win+back&length=1&ending_at=\(time)")
            #expect(reply.status == 200 && reply.body.contains("\"time\":\"2026-11-\(day)\""), "\(reply.body)")
            #expect(reply.body.ranges(of: "\"time\":").count == 1, "\(reply.body)")
        }
    }

    @Test func aTimeWithTwoSpacesIsRefused() async throws {
        try await withSegments { muster in
            let time = "2026-11-27%2010:00:00%20%2B0000"
            let reply = try await get(
                muster, "/segments/data_series?segment_id=win+back&length=1&ending_at=\(time)")
            #expect(reply.status == 400 && reply.message?.hasPrefix("ending_at must be") == true, "\(reply.body)")
        }
    }

    @Test func theOtherParametersAreReadTheSameWay() async throws {
        try await withSegments { muster in
            for (query, status) in [
                ("page=0&sort_direction=desc", 200), ("p%61ge=%30&sort_direction=%64esc", 200), ("page=+1", 400),
                ("page=1&page=1", 400), ("sort_direction=asc+", 400), ("sort_direction=%zz", 400), ("page=&page=", 400),
                ("page=", 200), ("unknown=%zz&unknown", 200),
            ] {
                let reply = try await get(muster, "/segments/list?\(query)")
                #expect(reply.status == status, "\(query): \(reply.body)")
            }
        }
    }

    @Test func partsOfAPathMayBeEncoded() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let key = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "push")).secret
            let body = #"{"client_secret":"\#(key)","cohort_id":"c","cohort_changes":[{"user_ids":["u-1"]}]}"#
            let reply = try await muster.server.rest("POST", "/partners/%74inyclues/cohorts/users", body)
            #expect(reply.status == 201, "\(reply.text)")
            for path in ["tinyclues%zz", "tinyclues%2Fx", "tinyclues%00", "%ff", "tiny+clues"] {
                let reply = try await muster.server.rest("POST", "/partners/\(path)/cohorts/users", body)
                #expect([401, 404].contains(reply.status), "\(path): \(reply.text)")
            }
        }
    }
}
