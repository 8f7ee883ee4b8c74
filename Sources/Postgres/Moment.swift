import Glibc

/// A time on the monotonic clock in nanoseconds, from which the timeouts of `poll` and pthread waits are computed.
struct Moment: Comparable {
    var nanoseconds: Int64

    static var now: Moment {
        var time = Glibc.timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    static func < (left: Moment, right: Moment) -> Bool { left.nanoseconds < right.nanoseconds }

    static func after(milliseconds: Int) -> Moment { now.adding(milliseconds: milliseconds) }

    /// Saturates instead of overflowing.
    func adding(milliseconds: Int) -> Moment {
        let (added, overflow) = Int64(clamping: milliseconds).multipliedReportingOverflow(by: 1_000_000)
        let (sum, overflows) = nanoseconds.addingReportingOverflow(added)
        return overflow || overflows ? Moment(nanoseconds: milliseconds < 0 ? 0 : .max) : Moment(nanoseconds: sum)
    }

    /// Rounds up, so that a thread does not wake shortly before the time and spin.
    func milliseconds(since start: Moment) -> Int {
        let (left, overflow) = nanoseconds.subtractingReportingOverflow(start.nanoseconds)
        guard !overflow else { return .max }
        return left <= 0 ? 0 : Int((left - 1) / 1_000_000 + 1)
    }

    var timespec: Glibc.timespec {
        Glibc.timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }
}

extension Moment {
    init(_ instant: ContinuousClock.Instant) {
        let left = (instant - .now).components
        let (whole, overflow) = left.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflows) = Moment.now.nanoseconds.addingReportingOverflow(whole)
        if overflow || overflows {
            nanoseconds = left.seconds < 0 ? 0 : .max
        } else {
            nanoseconds = sum.addingReportingOverflow(left.attoseconds / 1_000_000_000).partialValue
        }
    }
}
