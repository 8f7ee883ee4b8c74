import MusterTestSupport
import MusterUsers
import Postgres
import Testing

@testable import MusterStore

struct UserNumberTests {
    @Test func theDatabaseHasTheNumbersThatSetsHave() async throws {
        try await RegistryFixture.with { fixture in
            let users: [UserNumber] = [0, 1, 65_536, UserNumber(rawValue: UInt32(Int32.max))]
            let all = try await fixture.numbers("SELECT \(users)::int4[]")
            #expect(all == [users])
            let last = try await fixture.numbers("SELECT ARRAY[\(users[3])]")
            #expect(last == [[users[3]]])
        }
    }

    /// It neither traps nor becomes the number of another user.
    @Test func anotherNumberIsAnError() async throws {
        try await RegistryFixture.with { fixture in
            for number in [Int32(-1), .min] {
                #expect(await fixture.failure("SELECT ARRAY[\(number)]") == .decoding)
            }
            let user = UserNumber(rawValue: UInt32(Int32.max) + 1)
            #expect(await fixture.failure("SELECT ARRAY[\(user)]") == .encoding)
            #expect(await fixture.failure("SELECT \([0, user])") == .encoding)
        }
    }

    @Test func numbersEndWhereTheirColumnDoes() {
        let last = UserNumber(rawValue: UInt32(Int32.max) - 2)
        #expect(last.next(2)?.numbers == [last, UserNumber(rawValue: UInt32(Int32.max) - 1)])
        #expect(last.next(2)?.end == UserNumber(rawValue: UInt32(Int32.max)))
        #expect(last.next(3) == nil)
        #expect(UserNumber(rawValue: 7).next(0)?.numbers == [])
    }
}

extension RegistryFixture {
    fileprivate func numbers(_ sql: SQL) async throws -> [[UserNumber]] {
        try await store.in(workspace).read(sql) { row in try row.value(0) }
    }

    fileprivate func failure(_ sql: SQL) async -> PostgresError.Kind? {
        do {
            _ = try await numbers(sql)
            return nil
        } catch { return (error as? PostgresError)?.kind }
    }
}
