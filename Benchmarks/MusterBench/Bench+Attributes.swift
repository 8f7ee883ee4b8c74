import MusterClient
import MusterProtocol

extension Bench {
    /// Times a filter over attributes: new, unchanged, after one user's change, and after a batch of changes.
    func attributes() async throws {
        let filter = Filter.all([
            .attribute("country", .equals, .string("FR")), .attribute("visits", .greaterThan, .number(50)),
        ])
        let size = { try await client.send(SizeSegment(filter: filter)).size }
        print(
            "\n## Size of a filter over two attributes that all users have\n\n| what | median ms | size |\n|---|---|---|"
        )
        let (first, _) = try await median(of: 1, size)
        let (same, count) = try await median(of: 101, size)
        print("| the first time: everybody is looked at | \(first) | \(count.grouped) |")
        print("| nobody's attributes changed since | \(same) | \(count.grouped) |")
        for changed in [1, 5_000] {
            var round = 0
            let (time, count) = try await median(of: 11, size) {
                round += 1
                _ = try await client.send(UpsertUsers(users: visits(of: changed, round)))
            }
            print("| the attributes of \(changed.grouped) changed since | \(time) | \(count.grouped) |")
        }
        let (sql, counted) = try sqlMedian(
            """
            SELECT count(*) FROM registered_user
            WHERE attributes ->> 'country' = 'FR' AND (attributes ->> 'visits')::int > 50
            """)
        print("| SQL over the same rows | \(sql) | \(counted.grouped) |")
    }

    /// Chooses other users each time.
    private func visits(of count: Int, _ round: Int) -> [UserEntry] {
        (0..<count).map { number in
            UserEntry(
                externalID: userID((round * count + number) % users),
                attributes: ["visits": .integer(Int64(100 + round))])
        }
    }
}
