import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

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
    ]) func aPlusIsABlank(written: String, id: String) async throws {
        try await withSegments { muster in
            let reply = try await get(muster, "/segments/details?segment_id=\(written)")
            #expect(reply.status == 200 && reply.body.contains("\"name\":\"named \(id)\""), "\(reply.body)")
            let series = try await get(muster, "/segments/data_series?length=1&segment%5Fid=\(written)")
            #expect(series.status == 200, "\(series.body)")
        }
    }

    @Test func whatCannotBeReadIsSaidToBe() async throws {
        let (unreadable, twice) = ("segment_id must be UTF-8, with %", "segment_id stands in the query more than once")
        let unknown = "segment_id must be a string of the Segment api identifier"
        try await withSegments { muster in
            for (query, words) in [
                ("segment_id=%zz", unreadable), ("segment_id=%C3", unreadable), ("segment_id=a%", unreadable),
                ("segment_id=a%2", unreadable), ("segment_id=%ff%fe", unreadable),
                ("segment_id=%ED%A0%80", unreadable), ("segment_id=a%00b", "segment_id has control characters"),
                ("segment_id=win+back&segment_id=win+back", twice), ("segment_id=win+back&segment%5fid=x", twice),
                ("segment_id=", unknown), ("segment_id", unknown), ("", unknown),
            ] {
                let reply = try await get(muster, "/segments/details?\(query)")
                #expect(reply.status == 400, "\(query): \(reply.body)")
                #expect(reply.message?.hasPrefix(words) == true, "\(query): \(reply.body)")
            }
        }
    }

    @Test(arguments: [
        "2026-11-27+10%3A00%3A00", "2026-11-27T10:00:00+00:00", "2026-11-27T10:00:00%2B00:00",
        "2026-11-27+10:00:00+00:00",
        "2026-11-27%2010:00:00%20%2B0000", "2026-11-27T10:00:00-01:00", "2026-11-27T10:00:00.5Z", "2026-11-27",
        "20261127T100000+0000",
    ]) func aTimeIsReadHoweverItsPlusIsWritten(time: String) async throws {
        try await withSegments { muster in
            let reply = try await get(
                muster, "/segments/data_series?segment_id=win+back&length=2&ending_at=\(time)")
            let isTwoBlanks = time.contains("%20%2B")
            #expect(reply.status == (isTwoBlanks ? 400 : 200), "\(reply.body)")
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
