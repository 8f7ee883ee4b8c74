import Glibc

/// Ends the process when Swift's runtime finds a fault, such as an index out of range.
///
/// The runtime would start a second program that prints a backtrace, and wait for it. Without descriptors or memory it
/// waits forever, and by default it prints the memory behind each register, which may be personal data. So a backtrace
/// is made only if the operator sets `SWIFT_BACKTRACE`, and gets a time limit.
enum CrashReport {
    /// The time limit of a backtrace; then the process ends.
    private static let seconds: UInt32 = 10
    private static let faults = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGQUIT]

    /// The runtime's handlers by signal; written once, before another thread exists.
    nonisolated(unsafe) private static var reporters: [sigaction] = Array(repeating: .init(), count: 65)

    /// Installs the handlers. Must be called first in the process.
    static func settle() {
        let isAsked = getenv("SWIFT_BACKTRACE") != nil
        for fault in faults {
            guard isAsked else {
                signal(fault, SIG_DFL)
                continue
            }
            var bounded = sigaction()
            guard sigaction(fault, nil, &reporters[Int(fault)]) == 0 else { continue }
            let reporter = reporters[Int(fault)].__sigaction_handler
            guard unsafeBitCast(reporter.sa_handler, to: Int.self) != 0 else { continue }
            bounded = reporters[Int(fault)]
            bounded.sa_flags |= SA_SIGINFO
            bounded.__sigaction_handler.sa_sigaction = { fault, info, context in
                CrashReport.report(fault, info, context)
            }
            sigaction(fault, &bounded, nil)
        }
    }

    private static func report(
        _ fault: Int32, _ info: UnsafeMutablePointer<siginfo_t>?, _ context: UnsafeMutableRawPointer?
    ) {
        signal(SIGALRM, SIG_DFL)
        var alarms = sigset_t()
        sigemptyset(&alarms)
        sigaddset(&alarms, SIGALRM)
        pthread_sigmask(SIG_UNBLOCK, &alarms, nil)
        alarm(seconds)
        reporters[Int(fault)].__sigaction_handler.sa_sigaction(fault, info, context)
        // A real fault recurs on return and then ends the process; a signal from another process does not recur.
        signal(fault, SIG_DFL)
        raise(fault)
    }
}
