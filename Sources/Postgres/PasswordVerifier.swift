import CLibpq

extension Connection {
    /// What PostgreSQL keeps of a password (`SCRAM-SHA-256$…`), made here: the password itself then stands in no
    /// statement, which a server's log shows when it is refused. Letters, digits and `$:+/=-`.
    public borrowing func verifier(of password: String, role: String) throws -> String {
        guard !password.utf8.contains(0), !role.utf8.contains(0),
            let verifier = PQencryptPasswordConn(session.raw, password, role, "scram-sha-256")
        else { throw PostgresError(.misuse, "libpq makes no SCRAM-SHA-256 verifier of this password") }
        defer { PQfreemem(verifier) }
        return String(cString: verifier)
    }
}
