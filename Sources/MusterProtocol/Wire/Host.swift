#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Normalizes a host to the form that sockets and certificates take: names in lower case without the final dot, IPv6
/// addresses without brackets and in their shortest form. Nil when it is not a host, such as a URL or a host with a
/// port.
public func normalizedHost(_ text: String) -> String? {
    let bytes = Array(text.utf8)
    if bytes.first == UInt8(ascii: "[") {
        guard bytes.last == UInt8(ascii: "]") else { return nil }
        return normalizedIPv6(String(text.dropFirst().dropLast()))
    }
    if bytes.contains(UInt8(ascii: ":")) { return normalizedIPv6(text) }
    let name = bytes.last == UInt8(ascii: ".") ? bytes.dropLast() : bytes[...]
    let labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard name.count <= 253, labels.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isOfName) }) else { return nil }
    return String(decoding: name.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
}

/// Whether a host is this machine: plaintext to it needs no permission, because it can't be intercepted. Names are not
/// resolved, so `localhost` is the only one. Connect and listen with the `normalizedHost`.
public func isLoopback(_ host: String) -> Bool {
    guard let host = normalizedHost(host) else { return false }
    if host == "localhost" { return true }
    if let address = ipv6(host) {
        // ::1, and 127.0.0.0/8 in its IPv6 form: ::ffff:127.0.0.1.
        return address == [UInt8](repeating: 0, count: 15) + [1]
            || address.starts(with: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 127])
    }
    return ipv4(host)?.first == 127
}

/// Joins host and port, with the address in brackets when it has colons.
public func joinedHostAndPort(_ host: String, _ port: Int) -> String {
    host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
}

/// Splits `name`, `name:7878`, `127.0.0.1`, `::1`, `[::1]` or `[::1]:7878` into host and port. Nil when it is neither.
///
/// An IPv6 address without brackets has no port, because the start of a port would be ambiguous.
public func hostAndPort(_ text: String, defaultPort: Int) -> (host: String, port: Int)? {
    if let host = normalizedHost(text) { return (host, defaultPort) }
    guard let colon = text.lastIndex(of: ":"), let host = normalizedHost(String(text[..<colon])),
        case let digits = text[text.index(after: colon)...], digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let port = Int(digits), (1...65_535).contains(port)
    else { return nil }
    // 2001:db8::1:99999 is not an address with a port; only brackets separate the two.
    guard !host.utf8.contains(UInt8(ascii: ":")) || text.hasPrefix("[") else { return nil }
    return (host, port)
}

private func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
    default: false
    }
}

/// With the zone of a link-local address, if any: `fe80::1%eth0`.
private func normalizedIPv6(_ text: String) -> String? {
    let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = ipv6(String(first)) else { return nil }
    if parts.count == 2, parts[1].isEmpty || !parts[1].utf8.allSatisfy(isOfName) { return nil }
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_ntop(AF_INET6, address, &buffer, socklen_t(buffer.count)) != nil else { return nil }
    let shortest = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return parts.count == 2 ? "\(shortest)%\(parts[1])" : shortest
}

private func ipv4(_ text: String) -> [UInt8]? { address(text, AF_INET, 4) }
private func ipv6(_ text: String) -> [UInt8]? { address(text, AF_INET6, 16) }

private func address(_ text: String, _ family: Int32, _ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    return inet_pton(family, text, &bytes) == 1 ? bytes : nil
}
