import MusterProtocol
import Postgres
import Testing

@testable import MusterStore

/// Which objects of `users.track` are refused, and how the reply names what is wrong.
@Suite struct TrackRefusalTests {
    @Test func badPartsOfAnObjectAreNamed() async throws {
        try await RegistryFixture.with { fixture in
            let bad: [(String, String)] = [
                (#""external_id":"""#, "'external_id' is not valid"),
                (#""external_id":true"#, "'external_id' is not valid"),
                (#""external_id":"a\u0007""#, "'external_id' is not valid"),
                (#""user_alias":"x""#, "'user_alias' is not valid"),
                (#""user_alias":{"alias_name":"x"}"#, "'user_alias' is not valid"),
                (
                    #""user_alias":{"alias_label":"\#(String(repeating: "x", count: 257))","alias_name":"x"}"#,
                    "'user_alias' is not valid: alias_label is over 256 bytes (alias_label_bytes)"
                ),
                (#""external_id":"u","_update_existing_only":"true""#, "'_update_existing_only' is not valid"),
                (#""external_id":"u","email":7"#, "'email' is not valid"),
                (#""external_id":"u","push_tokens":{}"#, "'push_tokens' is not valid"),
                (#""external_id":"u","push_tokens":[{"device_id":7}]"#, "'push_tokens' is not valid"),
                (#""external_id":"u","a":1e300"#, "'a' is not valid: it has a number outside of ±2^53"),
            ]
            for (fields, text) in bad {
                let reply = try await fixture.track(#"{"attributes":[{\#(fields)}]}"#)
                #expect(reply.errors == [TrackError(text, in: .attributes, at: 0)], "\(fields)")
            }
            let purchase = #""external_id":"u","product_id":"p","currency":"EUR","price":1,"time":"2024-01-01""#
            for (old, new, text) in [
                ("\"EUR\"", "\"EURO\"", "'currency' is not valid"), ("\"EUR\"", "null", "'currency' is required"),
                (":1,", ":\"1\",", "'price' is not valid"), (":1,", ":1e15,", Self.tooMuch),
                ("\"p\"", "7", "'product_id' is not valid"), ("2024-01-01", "2024-13-01", "'time' is not valid"),
                (
                    "2024-01-01", "2124-01-01",
                    "'time' is not valid: it lies ahead by more than 24 hours (event_lead_hours)"
                ),
                (
                    "\"u\"", "\"u\",\"properties\":{\"a\":\"\(String(repeating: "x", count: 65_529))\"}",
                    "'properties' is over 65536 bytes (attributes_bytes)"
                ),
                (
                    "\"u\"", "\"u\",\"quantity\":101",
                    "'quantity' is not valid: it must be a whole number from 1 to 100 units (purchase_quantity)"
                ),
                ("\"u\"", "\"u\",\"properties\":[1]", "'properties' is not valid"),
                (
                    "\"u\"", "\"u\",\"properties\":{\"a\":[1e300]}",
                    "'properties' is not valid: it has a number outside of ±2^53"
                ),
                ("\"u\"", "\"u\",\"properties\":{\"a\":\"\\u0000\"}", Self.unusable),
                ("\"u\"", "\"u\",\"properties\":{\"a\":\"\\ud800\"}", Self.unusable),
            ] {
                let reply = try await fixture.track(#"{"purchases":[{\#(purchase.replacing(old, with: new))}]}"#)
                #expect(reply.errors == [TrackError(text, in: .purchases, at: 0)], "\(new)")
            }
            #expect(try await fixture.members(of: SetKey.everyone).isEmpty)
        }
    }

    static let unusable = "'properties' is not valid: it has U+0000 or half of a surrogate pair"
    static let tooMuch = "'price' is not valid: times 'quantity' it is over 1000000000 units (purchase_amount)"

    /// The bound is that of price times quantity, and no price is judged as if more were bought.
    @Test func aPurchaseIsCheckedByItsQuantity() async throws {
        try await RegistryFixture.with { fixture in
            func purchase(_ price: String, _ quantity: Int?) async throws -> String? {
                let quantity = quantity.map { #","quantity":\#($0)"# } ?? ""
                let json =
                    #"{"purchases":[{"external_id":"u","product_id":"p","currency":"VND","price":\#(price),"time":"2024-01-01"\#(quantity)}]}"#
                return try await fixture.track(json).errors.first?.type
            }
            for (price, quantity) in [
                ("12500000", nil), ("12500000", 80), ("1000000000", nil), ("1e9", 1), ("-1000000000", 1),
                ("-12500000", 80),
                ("0.000001", 100), ("0", nil), ("9999999.99", 100),
            ] {
                #expect(try await purchase(price, quantity) == nil, "\(price)")
            }
            for (price, quantity) in [
                ("1000000000.01", nil), ("12500000", 81), ("-12500000", 81), ("1e300", 1), ("9007199254740992", nil),
                ("500000000.000001", 2),
            ] {
                #expect(try await purchase(price, quantity) == Self.tooMuch, "\(price)")
            }
            let workspace = fixture.workspace
            let max = try await fixture.value(
                "SELECT max(amount_millionths) FROM user_purchase WHERE workspace_id = \(workspace)")
            #expect(max == 1_000_000_000_000_000)
        }
    }
}
