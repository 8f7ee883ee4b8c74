import CLibpq

extension ConnectionString {
    /// Whether PostgreSQL asks this user for a password and takes the one that the string has.
    ///
    /// False also where it lets the user in without one, or can't be reached: then nothing is known of the password.
    public func isPasswordAccepted(timeoutSeconds: Int = 5) async -> Bool {
        var string = self
        string["connect_timeout"] = String(timeoutSeconds)
        let text = string.text
        return await withCheckedContinuation { continuation in
            // libpq blocks here, so not on a thread of the concurrency pool.
            startThread {
                let connection = PQconnectdb(text)
                defer { PQfinish(connection) }
                continuation.resume(
                    returning: PQstatus(connection) == CONNECTION_OK && PQconnectionUsedPassword(connection) == 1)
            }
        }
    }
}
