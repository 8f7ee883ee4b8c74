import ArgumentParser
import MusterHandlers
import MusterProtocol
import MusterStore

/// `muster-server key`
struct Key: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes keys, as the role that owns the tables.", subcommands: [Create.self])

    /// `muster-server key create`
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a service key in a workspace, and shows its secret once.",
            discussion: """
                For the first key of a new operator, and for a workspace whose last key with the scope * is lost or ended. \
                Any other key is better made with `muster call keys.create`, whose key is noted as its maker.
                """)

        @OptionGroup var common: CommonOptions
        @Option(help: "What the key is called in keys.list.") var name = "admin"
        @Option(help: "What the key may do, with commas: 'segments.*,users.get'. Quote it, * is of the shell too.")
        var scopes = "*"
        @Flag(help: "Print one JSON object.") var json = false
        @Argument(help: "The workspace, by its name.") var workspace: String

        func run() async throws {
            let wanted = scopes.split(separator: ",").map { String($0).withoutWhiteSpaceAround }
            try await withOwner(common) { schema, _, _ in
                try await schema.check(deadline: .now + .seconds(30))
                try await schema.checkAccess(deadline: .now + .seconds(30))
                let made = try await OwnersKey.make(
                    name: name, scopes: wanted, workspace: workspace, with: schema, deadline: .now + .seconds(30))
                print(try json ? object(made) : text(made))
            }
        }

        private func object(_ made: OwnersKey) throws -> String {
            let object: Attributes = [
                "key_id": .string(Array(made.keyID.utf8)), "name": .string(Array(name.utf8)),
                "scopes": .strings(made.scopes.map { Array($0.utf8) }),
                "secret": .string(Array(made.secret.text.utf8)), "workspace": .string(Array(workspace.utf8)),
            ]
            return String(decoding: try JSONEncoding.encode(object), as: UTF8.self)
        }

        private func text(_ made: OwnersKey) -> String {
            """
            Key \(made.keyID) of workspace \(workspace) is made. It \(may(made.scopes)).

            Its secret is shown now and never again:

                \(made.secret.text)

            Next, with the server running:

                export MUSTER_KEY=…
                muster call keys.list
            """
        }

        private func may(_ scopes: [String]) -> String {
            scopes.contains("*") ? "may do everything in it" : "has the scopes \(scopes.joined(separator: ", "))"
        }
    }
}
