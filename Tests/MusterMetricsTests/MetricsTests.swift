import MusterMetrics
import Testing

/// The building blocks of the metrics.
@Suite struct MetricsTests {
    @Test func aPageHasHelpTypeAndEscapedLabels() {
        var page = Exposition()
        page.counter("a_total", "Things.", [.init(["x": "q\"\\\n"], 3)])
        page.gauge("b", "More.", 2)
        #expect(
            page.text == """
                # HELP a_total Things.
                # TYPE a_total counter
                a_total{x="q\\"\\\\\\n"} 3
                # HELP b More.
                # TYPE b gauge
                b 2

                """)
    }

    @Test func aTimeFallsIntoTheFirstBucketThatHoldsIt() {
        let histograms = Histograms(kinds: 2)
        for time: Duration in [.microseconds(100), .microseconds(101), .seconds(10), .seconds(11)] {
            histograms.record(time, of: 1)
        }
        let snapshot = histograms.snapshot(of: 1)
        #expect(snapshot.count == 4)
        #expect(snapshot.buckets[0] == 1 && snapshot.buckets[1] == 1)
        #expect(snapshot.buckets.suffix(2) == [1, 1])
        #expect(abs(snapshot.seconds - 21.000_201) < 1e-9)
        #expect(histograms.snapshot(of: 0).count == 0)
    }

    @Test func bucketsAddUpToTheirLast() {
        let histograms = Histograms(kinds: 1)
        for time: Duration in [.microseconds(50), .milliseconds(3), .seconds(60)] { histograms.record(time, of: 0) }
        var page = Exposition()
        page.histogram("t_seconds", "Times.", by: "m", [("x", histograms.snapshot(of: 0))])
        #expect(page.text.contains(#"t_seconds_bucket{m="x",le="0.0001"} 1"#))
        #expect(page.text.contains(#"t_seconds_bucket{m="x",le="0.005"} 2"#))
        #expect(page.text.contains(#"t_seconds_bucket{m="x",le="10"} 2"#))
        #expect(page.text.contains(#"t_seconds_bucket{m="x",le="+Inf"} 3"#))
        #expect(page.text.contains(#"t_seconds_count{m="x"} 3"#))
    }

    @Test func manyThreadsLoseNoCount() async {
        let cells = Cells(2)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { for _ in 0..<10_000 { cells.add(at: 1) } } }
        }
        #expect(cells[1] == 80_000 && cells[0] == 0)
        cells.add(at: 2)
        cells.add(at: -1)
        #expect(cells[0] == 0)
    }
}
