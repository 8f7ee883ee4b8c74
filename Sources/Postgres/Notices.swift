import CLibpq
import Logging

extension DatabaseSession {
    /// Without a receiver, libpq writes notices to stderr.
    func receiveNotices() {
        // Unretained: libpq only calls back from calls of this session.
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = PQsetNoticeReceiver(
            raw,
            { context, result in
                guard let context, let result else { return }
                Unmanaged<DatabaseSession>.fromOpaque(context).takeUnretainedValue().note(result)
            }, context)
    }

    private func note(_ result: OpaquePointer) {
        let notice = PostgresError(.server, result: result)
        if job.isClosing { noteAtCommit(notice) }
        logger.log(
            level: notice.severity == "WARNING" ? .warning : .debug, "Notice of PostgreSQL",
            metadata: ["notice": "\(notice)"])
    }

    private func noteAtCommit(_ notice: PostgresError) {
        if notice.sqlState == .noActiveTransaction { job.commitWarning = .noTransaction }
        // A warning's text is translated and its code is shared; the function that warns is unique.
        if notice.sourceFunction == "SyncRepWaitForLSN" { job.commitWarning = .notReplicated }
    }
}
