import CLibpq

extension ConnectionString {
    /// Whether PostgreSQL asks this user for a password and accepts the one in the connection string.
    ///
    /// Also false when it admits the user without a password or can't be reached, because then the password was not
    /// checked.
    public func isPasswordAccepted(timeoutSeconds: Int = 5) async -> Bool {
        var string = self
        string["connect_timeout"] = String(timeoutSeconds)
        let text = string.text
        return await withCheckedContinuation { continuation in
            // libpq blocks here, so this does not run on the concurrency pool.
            startThread {
                let connection = PQconnectdb(text)
                defer { PQfinish(connection) }
                continuation.resume(
                    returning: PQstatus(connection) == CONNECTION_OK && PQconnectionUsedPassword(connection) == 1)
            }
        }
    }
}
