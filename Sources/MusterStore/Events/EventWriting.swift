import MusterProtocol
import MusterUsers
import Postgres

extension WorkspaceTransaction {
    /// Appends validated events and purchases, and raises the head of events. Throws `UnvalidatedEvent` if an amount
    /// can't be stored, and the constraint's error for other invalid fields.
    ///
    /// The caller holds the head of identity, and the heads of everyone and attributes if the transaction needs them.
    /// The head of events is locked after those and before the heads of identifiers and cohorts.
    borrowing func append(_ events: [NewEvent], _ purchases: [NewPurchase]) throws {
        guard !events.isEmpty || !purchases.isEmpty else { return }
        let version = try raiseEvents()
        if !events.isEmpty { try insert(events, version) }
        if !purchases.isEmpty { try insert(purchases, version) }
    }

    private borrowing func insert(_ events: [NewEvent], _ version: Int64) throws {
        try execute(
            """
            INSERT INTO user_event (workspace_id, user_number, name, occurred_at, version, place, properties)
            SELECT \(workspace), n.user_number, n.name, n.occurred_at, \(version), n.place, n.properties
            FROM unnest(\(events.map(\.userNumber)), \(IdentifierList(events.map(\.name)).textArray),
                \(events.map(\.occurredAt)), \(events.map { $0.properties.map { JSONB($0.bytes) } }))
                WITH ORDINALITY n (user_number, name, occurred_at, properties, place)
            RETURNING 1
            """)
    }

    private borrowing func insert(_ purchases: [NewPurchase], _ version: Int64) throws {
        let amounts = try purchases.map { purchase in
            guard let amount = purchase.amount else { throw UnvalidatedEvent() }
            return amount.millionths
        }
        try execute(
            """
            INSERT INTO user_purchase (workspace_id, user_number, product_id, occurred_at, version, place, currency, quantity,
                amount_millionths, properties)
            SELECT \(workspace), n.user_number, n.product_id, n.occurred_at, \(version), n.place, n.currency, n.quantity,
                n.amount_millionths, n.properties
            FROM unnest(\(purchases.map(\.userNumber)), \(IdentifierList(purchases.map(\.productID)).textArray),
                \(purchases.map(\.occurredAt)), \(purchases.map(\.currency)), \(purchases.map { Int32(clamping: $0.quantity) }),
                \(amounts), \(purchases.map { $0.properties.map { JSONB($0.bytes) } }))
                WITH ORDINALITY n (user_number, product_id, occurred_at, currency, quantity, amount_millionths, properties, place)
            RETURNING 1
            """)
    }

    /// Raises the head that counts the changes of events and purchases, and returns its new version.
    @discardableResult
    borrowing func raiseEvents() throws -> Int64 {
        let version = try first(
            """
            UPDATE set_head SET version = version + 1, tag = \(SetVersion.newTag())
            WHERE workspace_id = \(workspace) AND set_number = \(SetKey.events) RETURNING version
            """
        ) { row in try row.value(0, as: Int64.self) }
        guard let version else { throw UnfinishedWorkspace() }
        return version
    }

    /// Whether any of these users has events or purchases.
    borrowing func haveEvents(_ numbers: [UserNumber]) throws -> Bool {
        try first(
            """
            SELECT EXISTS (SELECT FROM unnest(\(numbers)) n (user_number) CROSS JOIN LATERAL (
                    SELECT FROM user_event e WHERE e.workspace_id = \(workspace) AND e.user_number = n.user_number
                    ORDER BY e.name, e.occurred_at, e.version, e.place LIMIT 1) x)
                OR EXISTS (SELECT FROM unnest(\(numbers)) n (user_number) CROSS JOIN LATERAL (
                    SELECT FROM user_purchase e WHERE e.workspace_id = \(workspace) AND e.user_number = n.user_number
                    ORDER BY e.product_id, e.occurred_at, e.version, e.place LIMIT 1) x)
            """
        ) { row in try row.value(0, as: Bool.self) } ?? false
    }

    /// Moves the events and purchases of the merged user to the kept one. The caller has raised the head of events.
    borrowing func moveEvents(of merged: UserNumber, to kept: UserNumber) throws {
        try execute(
            """
            UPDATE user_event SET user_number = \(kept)
            WHERE workspace_id = \(workspace) AND user_number = \(merged)
            """)
        try execute(
            """
            UPDATE user_purchase SET user_number = \(kept)
            WHERE workspace_id = \(workspace) AND user_number = \(merged)
            """)
    }

    /// Erases the events and purchases of users. The caller has raised the head of events.
    borrowing func eraseEvents(of numbers: [UserNumber]) throws {
        try execute("DELETE FROM user_event WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))")
        try execute("DELETE FROM user_purchase WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))")
    }
}
