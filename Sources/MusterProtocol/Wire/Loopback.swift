/// Whether a host is this machine itself, where nobody can listen in: plaintext needs no permission there. Names are not resolved, so
/// that `localhost` is the only one.
public func isLoopback(_ host: String) -> Bool {
    if host == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
}
