#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension Instant {
    /// Now, by this machine's clock. Times are for people: nothing is ordered by them.
    public static var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }
}
