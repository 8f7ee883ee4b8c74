import FoundationEssentials
import MusterProtocol

/// The `id` of an import on this wire: its cohort and version, written so that a URL needs no escapes.
struct ImportName: Equatable, Encodable {
    let cohortID: Identifier
    let version: Int64

    init(cohortID: Identifier, version: Int64) {
        (self.cohortID, self.version) = (cohortID, version)
    }

    /// Nil unless `text` has the form of an import name.
    init?(_ text: String) {
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        let standard = text.replacing("-", with: "+").replacing("_", with: "/") + padding
        guard let bytes = Data(base64Encoded: standard), let dot = bytes.firstIndex(of: UInt8(ascii: ".")),
            let version = Int64(String(decoding: bytes[..<dot], as: UTF8.self)), version > 0
        else { return nil }
        self.init(cohortID: Identifier(bytes: bytes[(dot + 1)...]), version: version)
        guard self.text.utf8.elementsEqual(text.utf8), cohortID.validity == .valid,
            String(validating: cohortID.bytes, as: UTF8.self) != nil
        else { return nil }
    }

    var text: String {
        Data(Array("\(version).".utf8) + cohortID.bytes).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
