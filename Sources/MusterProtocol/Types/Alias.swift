/// An alias of a user: a name under a label, such as `crm` / `4711`. A pair belongs to one user of a workspace.
public struct Alias: Codable, Sendable, Hashable {
    public var label: Identifier
    public var name: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case label = "alias_label"
        case name = "alias_name"
    }

    public init(label: Identifier, name: Identifier) {
        self.label = label
        self.name = name
    }
}
