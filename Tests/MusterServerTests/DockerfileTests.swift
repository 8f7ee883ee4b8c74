import Foundation
import TestSupport
import Testing

/// What can be said of the image without a Docker.
struct DockerfileTests {
    private let root = Repository.root

    /// The package manager refuses a manifest with a target whose folder isn't there.
    @Test func everyFolderOfTheManifestIsInTheBuild() throws {
        let manifest = try String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)
        let dockerfile = try String(contentsOf: root.appending(path: "Dockerfile"), encoding: .utf8)
        // What stands behind MUSTER_FUZZ is there for scripts/fuzz only.
        let always = manifest.prefix(upTo: try #require(manifest.range(of: "if Context.environment")).lowerBound)
        let folders = Set(always.matches(of: /path: "([A-Za-z]+)/).map { String($0.output.1) } + ["Sources", "Tests"])
        #expect(folders.isSuperset(of: ["Sources", "Tests", "sql", "Benchmarks"]))
        for folder in folders { #expect(dockerfile.contains("COPY \(folder) ./\(folder)\n"), "\(folder)") }
    }
}
