import CLibpq

extension Connection {
    /// Makes the verifier that PostgreSQL stores for a password (`SCRAM-SHA-256$…`), so that no statement contains the
    /// password itself: the server logs refused statements. It consists of letters, digits and `$:+/=-`.
    public borrowing func verifier(of password: String, role: String) throws -> String {
        guard !password.utf8.contains(0), !role.utf8.contains(0),
            let verifier = PQencryptPasswordConn(session.raw, password, role, "scram-sha-256")
        else { throw PostgresError(.misuse, "libpq makes no SCRAM-SHA-256 verifier of this password") }
        defer { PQfreemem(verifier) }
        return String(cString: verifier)
    }
}
