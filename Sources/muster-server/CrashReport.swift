import Glibc

/// How the process ends where Swift's runtime finds a fault, such as an index out of range.
///
/// The runtime would start another program that prints a backtrace, and wait for it: where descriptors or memory have
/// run out it waits for ever, and unless told otherwise it prints what is in memory behind each register, which may be
/// somebody's data. So there is a backtrace only where the operator asks for one, by `SWIFT_BACKTRACE`, and it is given
/// so many seconds.
enum CrashReport {
    /// Until the process ends whatever the backtrace does.
    private static let seconds: UInt32 = 10
    private static let faults = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGQUIT]

    /// What the runtime does at each signal; written once, before there is another thread.
    nonisolated(unsafe) private static var reporters: [sigaction] = Array(repeating: .init(), count: 65)

    /// To be called first of all.
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
        // A fault comes again when this returns, and ends the process then; one that another process sent does not.
        signal(fault, SIG_DFL)
        raise(fault)
    }
}
