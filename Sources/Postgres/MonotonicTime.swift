import Glibc

/// A time on the monotonic clock in nanoseconds, from which the timeouts of `poll` and pthread waits are computed.
struct MonotonicTime: Comparable {
    var nanoseconds: Int64

    static var now: MonotonicTime {
        var time = Glibc.timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.nanoseconds < right.nanoseconds }

    static func after(milliseconds: Int) -> MonotonicTime { now.adding(milliseconds: milliseconds) }

    /// Saturates instead of overflowing.
    func adding(milliseconds: Int) -> MonotonicTime {
        let (added, overflow) = Int64(clamping: milliseconds).multipliedReportingOverflow(by: 1_000_000)
        let (sum, overflows) = nanoseconds.addingReportingOverflow(added)
        return overflow || overflows
            ? MonotonicTime(nanoseconds: milliseconds < 0 ? 0 : .max) : MonotonicTime(nanoseconds: sum)
    }

    /// Rounds up, so that a thread does not wake shortly before the time and spin.
    func milliseconds(since start: MonotonicTime) -> Int {
        let (left, overflow) = nanoseconds.subtractingReportingOverflow(start.nanoseconds)
        guard !overflow else { return .max }
        return left <= 0 ? 0 : Int((left - 1) / 1_000_000 + 1)
    }

    var timespec: Glibc.timespec {
        Glibc.timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }
}

extension MonotonicTime {
    init(_ instant: ContinuousClock.Instant) {
        let left = (instant - .now).components
        let (whole, overflow) = left.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflows) = MonotonicTime.now.nanoseconds.addingReportingOverflow(whole)
        if overflow || overflows {
            nanoseconds = left.seconds < 0 ? 0 : .max
        } else {
            nanoseconds = sum.addingReportingOverflow(left.attoseconds / 1_000_000_000).partialValue
        }
    }
}
