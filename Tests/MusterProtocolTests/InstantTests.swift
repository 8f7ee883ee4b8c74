import MusterProtocol
import Testing

@Suite struct InstantTests {
    @Test(arguments: [
        "2021-01-21T19:20:30Z", "2021-01-21 19:20:30+00", "2021-01-21T20:20:30+01", "2021-01-21T20:20:30+0100",
        "2021-01-21T20:20:30+01:00", "20210121T192030Z", "20210121T202030+01", "2021-01-21T19:20:30,000Z",
        "20210121 192030", "2021-01-21T19:20:30",
    ])
    func oneMomentIsReadInEveryForm(text: String) {
        #expect(Instant(iso8601: text.utf8)?.iso8601 == "2021-01-21T19:20:30Z", "\(text)")
    }

    @Test(arguments: [
        "20210121", "2021-0121", "202101-21T192030Z", "20210121T19:20:30Z", "2021-01-21T192030Z",
        "2021-01-21T19:20:30+1", "2021-01-21T19:20:30+01:", "2021-01-21T19:20:30+01:0", "2021-01-21T19:20:30+010",
        "2021-01-21T19:20:30,Z", "2021-01-21T19:20:30+24", "20210121T1920309Z", "20210121T",
    ])
    func whatIsOfNoOneFormIsRefused(text: String) {
        #expect(Instant(iso8601: text.utf8) == nil, "\(text)")
    }
}
