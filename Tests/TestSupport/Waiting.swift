import Foundation

/// Returns whether `condition` becomes true within ten seconds, which a slow machine may need.
public func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    let end = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < end {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return try await condition()
}

/// The error of a test that waited in vain.
public struct TookTooLong: Error {
    public init() {}
}

extension ContinuousClock.Instant {
    /// A deadline that no passing test reaches.
    public static var soon: ContinuousClock.Instant { .now + .seconds(30) }
}

/// Runs `body` and then `cleanUp`, however `body` ends. Where both throw, it throws the error of `body`.
public func cleaningUp<R>(
    _ cleanUp: () async throws -> Void, after body: () async throws -> R
) async throws -> R {
    let result: R
    do { result = try await body() } catch {
        try? await cleanUp()  // the first error is more informative
        throw error
    }
    try await cleanUp()
    return result
}

/// Runs `body` with the path of a file that does not exist yet, and removes it afterwards.
public func withTemporaryFile<R>(_ body: (String) async throws -> R) async throws -> R {
    let file = FileManager.default.temporaryDirectory.appending(path: "muster-tests-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: file) }
    return try await body(file)
}
