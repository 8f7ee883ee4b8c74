import MusterProtocol
import Testing

/// Times in the notations of people and programs.
@Suite struct InstantTests {
    @Test(arguments: [
        "2021-01-21T19:20:30Z", "2021-01-21t19:20:30z", "2021-01-21 19:20:30", "2021-01-21T19:20:30+00:00",
        "2021-01-21 19:20:30+00", "2021-01-21T20:20:30+01", "2021-01-21T14:20:30-0500", "20210121T192030Z",
        "20210121 192030", "2021-01-21T19:20:30.000Z", "2021-01-21T19:20:30,000000000Z", "20210121T192030,0-00",
        "2021-01-22T05:05:30+09:45",
        // As printed in Braze's documentation.
        "2021-01-21T20:20:30+1:00", "2021-01-21T14:20:30-5:00", "2021-01-21T20:20:30:000+0100",
        "2021-01-21T19:20:30:000Z",
        "2021-01-21 19:20:30:000", "2021-01-21T20:20:30:000+1:00",
    ])
    func oneInstantHasManyForms(text: String) {
        #expect(Instant(iso8601: text.utf8)?.iso8601 == "2021-01-21T19:20:30Z")
    }

    @Test func partsMayBeMissing() {
        #expect(Instant(iso8601: "2021-01-21".utf8)?.iso8601 == "2021-01-21T00:00:00Z")
        #expect(Instant(iso8601: "2021-01-21T19:20".utf8)?.iso8601 == "2021-01-21T19:20:00Z")
        #expect(Instant(iso8601: "2026-11-20T19:20:30:250+0100".utf8)?.iso8601 == "2026-11-20T18:20:30.250000Z")
        #expect(Instant(iso8601: "2026-11-20T19:20:30+1:00".utf8)?.iso8601 == "2026-11-20T18:20:30Z")
        #expect(Instant(iso8601: "20210121T1920+01".utf8)?.iso8601 == "2021-01-21T18:20:00Z")
    }

    @Test(arguments: [
        "", "2021", "20210121", "2021-01", "2021-0121", "202101-21", "2021-02-30", "2021-13-01", "2021-01-21T",
        "2021-01-21T19",
        "2021-01-21T1920", "20210121T19:20", "2021-01-21T24:00:00Z", "2021-01-21T19:60:00Z", "2021-01-21T19:20:60Z",
        "2021-01-21T19:20:30.Z", "2021-01-21T19:20:30+", "2021-01-21T19:20:30+24", "2021-01-21T19:20:30+1",
        "2021-01-21T19:20:30+1:0", "2021-01-21T19:20:30+100", "2021-01-21T19:20:30+1:60", "2021-01-21T19:20:30+1:000",
        "2021-01-21T19:20:30:25", "2021-01-21T19:20:30:2500", "2021-01-21T19:20:30:250:1", "20210121T192030:250",
        "2021-01-21T19:20:250",
        "11/20/2026", "2021-01-21T19:20:30+01:", "2021-01-21T19:20:30ZZ", "2021-W03-4", "1611256830", " 2021-01-21",
    ])
    func anAmbiguousTimeIsRefused(text: String) { #expect(Instant(iso8601: text.utf8) == nil) }

    @Test func timesAreExactToTheMicrosecond() {
        let moment = Instant(microseconds: -1)
        #expect((moment + .microseconds(1)).microseconds == 0 && (moment - .days(1)).microseconds == -86_400_000_001)
        #expect((moment + .hours(1)).microseconds == 3_599_999_999)
        #expect(moment.secondsSince1970 == -1 && Instant(microseconds: 1_999_999).secondsSince1970 == 1)
    }
}
