import MusterListener
import MusterProtocol
import MusterStore
import Postgres

/// Why a command fails, in one line that ends with what to do next.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ error: any Error) {
        switch error {
        case let error as PostgresError: description = Self.sentence(error)
        case let error as RPCError: description = error.message
        case let error as ListenerError: description = "\(error): \(Self.advice(error))"
        default: description = "\(error)"
        }
    }

    private init(description: String) { self.description = description }

    static func encoding(_ encoding: String) -> Failure {
        Failure(
            description: "the database is encoded in \(encoding) and identifiers are UTF-8: "
                + "make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
    }

    static func role(_ pass: ServerFacts.RLSBypass) -> Failure {
        Failure(
            description:
                "the role of the connection is \(pass.rawValue), which bypasses row-level security: "
                + "connect as the server's role (setting server_role of migrate), or pass --allow-owner-role")
    }

    private static func sentence(_ error: PostgresError) -> String {
        switch error.kind {
        case .unavailable where error.isRefusal: "PostgreSQL refuses connections: \(error.cause)"
        case .unavailable, .connectionLost, .deadlineExceeded, .closed:
            "PostgreSQL can't be reached (\(error.message)): look at MUSTER_DATABASE_URL"
        case .server where error.sqlState == .insufficientPrivilege:
            "the role of the connection may not do this: connect as the role that owns Muster's tables"
        default: "PostgreSQL refused: \(error): see its log"
        }
    }

    private static func advice(_ error: ListenerError) -> String {
        switch error {
        case .addressInUse: "end it, or set listen.port, rest.port or ops.port"
        case .cannotListen: "look at the host and port of listen, rest and ops"
        case .plaintextNotAllowed:
            "set tls.certificate and tls.key, or listen.insecure and rest.insecure where nobody can listen in"
        case .certificate: "look at the files of tls.certificate and tls.key"
        case .startedTwice: "start the server anew"
        }
    }
}
