import MusterProtocol
import MusterStore
import Testing

@testable import MusterHandlers

struct SecretTests {
    private let secret = Secret(.import, in: WorkspaceID(rawValue: 42))

    @Test func aSecretSaysItsKindAndWorkspaceAndSurvivesReading() throws {
        for kind in [KeyKind.import, .service] {
            for number in [1, 42, Int32.max] {
                let made = Secret(kind, in: WorkspaceID(rawValue: number))
                let read = try #require(Secret(made.text))
                #expect(read == made)
                #expect(read.kind == kind)
                #expect(read.workspace.rawValue == number)
                #expect(try read.digest == made.digest)
            }
        }
        #expect(secret.text.hasPrefix("mus_imp_42_"))
        #expect(secret.text.utf8.count == "mus_imp_42_".utf8.count + 49)
    }

    @Test func aChangedSecretIsRefused() {
        let bytes = Array(secret.text.utf8)
        for index in bytes.indices {
            for other in Array("0Az_-é".utf8) where other != bytes[index] {
                var tampered = bytes
                tampered[index] = other
                #expect(Secret(String(decoding: tampered, as: UTF8.self)) == nil, "\(index)")
            }
        }
    }

    @Test(arguments: ["", "mus_imp_", "mus_imp_1_", "hunter2", "mus_srv_0_", "mus_imp_-1_x", "mus_imp_99999999999_x"])
    func arbitraryTextIsNotASecret(_ text: String) {
        #expect(Secret(text) == nil)
        #expect(Secret(secret.text + text + "x") == nil)
        #expect(Secret(" " + secret.text) == nil)
    }

    @Test func theWorkspaceNumberHasOneSpelling() {
        let rest = secret.text.dropFirst("mus_imp_42_".count)
        for number in ["042", "+42", "４２"] { #expect(Secret("mus_imp_\(number)_\(rest)") == nil) }
    }

    @Test func theChecksumIsThatOfTheFirstRelease() throws {
        // Secrets of this form are in use: this one must be readable for ever.
        let kept = "mus_srv_1_haWYBIhML5IouhPaxzAvEokrRGk65a3vRgBf85zEowJ0AL6DI"
        let secret = try #require(Secret(kept))
        #expect(secret.kind == .service)
        let digest = hexadecimal(try secret.digest)
        #expect(digest == "f829d477ed3f7574a302668510697418fd9ca419e19829a1a0dc9fc0b05b6aff")
    }

    @Test func theAddressOfAnExportIsThatOfTheFirstRelease() throws {
        // Addresses are given out, and only their digests are stored.
        let token = try ExportToken(of: "e-1", in: WorkspaceID(rawValue: 42), key: Array(0..<32))
        #expect(token.path == "/exports/42-AtcpOsSvlMvMH0GQMCzJFbt0vWRp2BHEwaBlqrbxGnn3UE6kq.zip")
        let digest = hexadecimal(try token.digest)
        #expect(digest == "bd8e7a8e6f3ee9287903329ca2fca269105d4b6c1e0d522813e50ae32899a8d6")
    }

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func noDescriptionShowsASecret() {
        let reply = CreateKey.Reply(keyID: "k_1", secret: secret.text)
        let open = OpenSession(key: secret.text)
        for text in ["\(secret)", "\(reply)", "\(open)", String(reflecting: secret), String(reflecting: reply)] {
            #expect(!text.contains(secret.text))
        }
        var dumped = ""
        dump(secret, to: &dumped)
        dump(reply, to: &dumped)
        dump(open, to: &dumped)
        #expect(!dumped.contains(secret.text))
    }

    @Test func twoSecretsAreNeverTheSame() {
        let many = (0..<1_000).map { _ in Secret(.service, in: WorkspaceID(rawValue: 1)).text }
        #expect(Set(many).count == 1_000)
        let ids = (0..<1_000).map { _ in Secret.newKeyID() }
        #expect(Set(ids).count == 1_000)
        #expect(ids.allSatisfy { $0.utf8.count == 14 && $0.hasPrefix("k_") })
    }

    @Test func digestsThatDifferInOneByteDiffer() throws {
        let digest = try secret.digest
        #expect(Secret.isSame(digest, digest))
        for index in digest.indices {
            var other = digest
            other[index] ^= 1
            #expect(!Secret.isSame(digest, other))
        }
        #expect(!Secret.isSame(digest, []))
    }
}
