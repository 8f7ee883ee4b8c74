package typealias IdentifierEntry = LoggedIdentifier
