import Foundation

/// Waits for what must come about, however slow the machine: ten seconds at most. Whether it came about.
public func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    let end = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < end {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return try await condition()
}

/// Runs `body` and then `cleanUp`, however `body` ended. Where both throw, the error of `body` is the one to hear of.
public func cleaningUp<R>(
    _ cleanUp: () async throws -> Void, after body: () async throws -> R
) async throws -> R {
    let result: R
    do { result = try await body() } catch {
        try? await cleanUp()  // the first error says more
        throw error
    }
    try await cleanUp()
    return result
}

/// Runs `body` with the path of a file that is not there yet, and removes it.
public func withTemporaryFile<R>(_ body: (String) async throws -> R) async throws -> R {
    let file = FileManager.default.temporaryDirectory.appending(path: "muster-tests-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: file) }
    return try await body(file)
}
