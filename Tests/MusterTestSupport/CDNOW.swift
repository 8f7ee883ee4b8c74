import Foundation
public import MusterProtocol
import TestSupport

/// The purchases of 23,570 customers of a music shop, and the sets that follow from them.
public struct CDNOW: Sendable {
    public struct Customer: Sendable {
        public var purchases = 0
        public var cents = 0
        /// YYYYMMDD
        public var lastDate = 0
    }

    public struct Purchase: Sendable {
        public var customer: Identifier
        /// YYYYMMDD
        public var date: Int
        public var cents: Int
    }

    public let customers: [Identifier: Customer]
    public let purchases: [Purchase]

    /// Whether the file exists; without it, tests that need it are skipped.
    public static let isHere = FileManager.default.isReadableFile(atPath: path)

    /// Reads the file.
    public init() throws {
        var customers: [Identifier: Customer] = [:]
        var purchases: [Purchase] = []
        for line in try String(contentsOfFile: Self.path, encoding: .utf8).split(whereSeparator: \.isNewline)
            .dropFirst()
        {
            let fields = line.split(separator: " ")
            guard fields.count == 4, let date = Int(fields[1]), let cents = Self.cents(fields[3]) else {
                throw CocoaError(.fileReadCorruptFile)
            }
            let customer = Identifier(String(fields[0]))
            customers[customer, default: .init()].add(cents: cents, date: date)
            purchases.append(Purchase(customer: customer, date: date, cents: cents))
        }
        self.customers = customers
        self.purchases = purchases
    }

    /// `MUSTER_CDNOW` can name the file; otherwise it is searched beside the project.
    public static let path =
        ProcessInfo.processInfo.environment["MUSTER_CDNOW"]
        ?? Repository.file("../shared/data/cdnow/CDNOW_master.txt").path

    /// Amounts are in cents: a sum of binary fractions would make `big` depend on rounding.
    private static func cents(_ text: Substring) -> Int? {
        let parts = text.split(separator: ".")
        guard let whole = parts.first.flatMap({ Int($0) }) else { return nil }
        let fraction = parts.count > 1 ? String(parts[1]).padding(toLength: 2, withPad: "0", startingAt: 0) : "0"
        return Int(fraction).map { whole * 100 + $0 }
    }

    /// YYYYMMDD as YYYY-MM-DD.
    public static func isoDate(_ date: Int) -> String {
        let digits = String(date)
        return "\(digits.prefix(4))-\(digits.dropFirst(4).prefix(2))-\(digits.suffix(2))"
    }

    public func customers(where condition: (Customer) -> Bool) -> Set<Identifier> {
        Set(customers.filter { condition($0.value) }.keys)
    }

    public var everyone: Set<Identifier> { customers { _ in true } }
    public var `repeat`: Set<Identifier> { customers { $0.purchases >= 2 } }
    public var active: Set<Identifier> { customers { $0.lastDate >= 1998_01_01 } }
    public var big: Set<Identifier> { customers { $0.cents >= 100_00 } }
}

extension CDNOW.Customer {
    fileprivate mutating func add(cents: Int, date: Int) {
        purchases += 1
        self.cents += cents
        lastDate = max(lastDate, date)
    }

    /// The customers as a company registers them.
    public var attributes: Attributes {
        let date = CDNOW.isoDate(lastDate)
        return [
            "purchases": .integer(Int64(purchases)), "total": .number(Double(cents) / 100),
            "last_purchase": .string(Array(date.utf8)),
        ]
    }
}
