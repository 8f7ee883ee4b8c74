import ArgumentParser
import MusterProtocol

/// `muster methods`
struct MethodsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "methods", abstract: "Lists the calls; with a name, shows one call with an example.")

    @Argument(help: "The call to show, with notes and an example.") var method: String?

    func run() throws {
        guard let method else {
            let width = allCalls.map { call in call.method.utf8.count }.max() ?? 0
            for call in allCalls {
                print(call.method + String(repeating: " ", count: width + 2 - call.method.utf8.count) + call.summary)
            }
            return
        }
        guard let call = allCalls.first(where: { call in call.method == method }) else {
            throw ValidationError("There is no call \(method); `muster methods` lists them all.")
        }
        print(try Self.page(of: call))
    }

    private static func page<C: Call>(of _: C.Type) throws -> String {
        let fields = try C.fieldPaths()
        return """
            \(C.method): \(C.summary)

            \(C.notes)

            Fields of the body: \(fields.isEmpty ? "none" : fields.joined(separator: ", "))

            muster call \(C.method) '\(String(decoding: try JSONEncoding.encode(C.example.call), as: UTF8.self))'
            \(prettyJSON(try JSONEncoding.encode(C.example.reply)))
            """
    }
}
