/// A time in microseconds since 1970 (UTC); on the wire an ISO-8601 string such as `2026-11-23T14:48:19.123456Z`.
public struct Instant: Sendable, Hashable, Comparable {
    public var microseconds: Int64

    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }
}

extension Instant {
    /// Parses `YYYY-MM-DD`, optionally followed by `T` or a space, `HH:MM[:SS[.f…]]` and an optional `Z` or
    /// `±HH[[:]MM]` (without an offset: UTC), or the same without `-` and `:`. Eight digits alone are ambiguous and
    /// refused. A comma may precede the fraction. As in Braze's documentation, a colon may precede milliseconds
    /// (`19:20:30:250`), and an offset may have one digit of hours before a colon (`+1:00`). Nil for anything else, and
    /// for days and times that don't exist.
    public init?(iso8601 text: some Sequence<UInt8>) {
        var scanner = ISO8601Scanner(bytes: Array(text))
        guard let microseconds = scanner.microseconds() else { return nil }
        self.microseconds = microseconds
    }

    /// The time as ISO-8601 in UTC, with microseconds when there is a fraction.
    public var iso8601: String {
        let second: Int64 = 1_000_000
        let seconds = microseconds.floorDivided(by: second)
        let day = seconds.floorDivided(by: 86_400)
        let (time, fraction) = (seconds - day * 86_400, microseconds - seconds * second)
        let date = CivilDate(dayNumber: day)
        var text =
            "\(date.year.padded(to: 4))-\(date.month.padded(to: 2))-\(date.day.padded(to: 2))T"
            + "\((time / 3_600).padded(to: 2)):\((time / 60 % 60).padded(to: 2)):\((time % 60).padded(to: 2))"
        if fraction != 0 { text += ".\(fraction.padded(to: 6))" }
        return text + "Z"
    }
}

extension Instant {
    /// The time later by `duration`, to the microsecond.
    public static func + (instant: Self, duration: Duration) -> Self {
        let (seconds, attoseconds) = duration.components
        return Instant(microseconds: instant.microseconds + seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    }

    /// The time earlier by `duration`, to the microsecond.
    public static func - (instant: Self, duration: Duration) -> Self { instant + (.zero - duration) }

    /// Whole seconds since 1970 (UTC).
    public var secondsSince1970: Int64 { microseconds.floorDivided(by: 1_000_000) }
}

extension Duration {
    /// A duration of so many hours.
    public static func hours(_ hours: Int) -> Self { .seconds(hours * 3_600) }
    /// A duration of so many periods of 24 hours.
    public static func days(_ days: Int) -> Self { .seconds(days * 86_400) }
}

extension Instant: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(Identifier.self)
        guard let instant = Instant(iso8601: text.bytes) else {
            throw JSONError(
                at: decoder, "must be a valid time as an ISO-8601 string, such as 2026-11-23T14:48:19Z",
                .invalidFormat)
        }
        self = instant
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(iso8601)
    }
}

/// A day of the proleptic Gregorian calendar. Years begin on 1 March, so that leap days come last.
private struct CivilDate {
    var year: Int64
    var month: Int64
    var day: Int64

    /// `dayNumber` counts from 1970-01-01.
    init(dayNumber: Int64) {
        let shifted = dayNumber + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    init?(year: Int64, month: Int64, day: Int64) {
        (self.year, self.month, self.day) = (year, month, day)
        guard (1...12).contains(month), (1...31).contains(day) else { return nil }
        let same = CivilDate(dayNumber: dayNumber)
        guard same.month == month, same.day == day else { return nil }
    }

    var dayNumber: Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear.floorDivided(by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// A cursor over the bytes of an ISO-8601 text; each step returns nil when the text does not have the form.
private struct ISO8601Scanner {
    var bytes: [UInt8]
    var position = 0

    mutating func microseconds() -> Int64? {
        guard let year = digits(4) else { return nil }
        let isExtended = take("-")
        guard let month = digits(2), take("-") == isExtended, let day = digits(2),
            let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        let midnight = date.dayNumber * 86_400_000_000
        if position == bytes.count { return isExtended ? midnight : nil }
        guard take("T") || take("t") || take(" "), let time = timeOfDay(isExtended), let offset = offset() else {
            return nil
        }
        return position == bytes.count ? midnight + time - offset : nil
    }

    private mutating func timeOfDay(_ isExtended: Bool) -> Int64? {
        guard let hour = digits(2), take(":") == isExtended, let minute = digits(2), hour < 24, minute < 60 else {
            return nil
        }
        var (second, fraction): (Int64, Int64) = (0, 0)
        if isExtended ? take(":") : isAtDigit {
            guard let read = digits(2), read < 60 else { return nil }
            second = read
            if take(".") || take(",") {
                var (scale, count): (Int64, Int) = (100_000, 0)
                while let digit = digits(1) {
                    fraction += digit * scale
                    (scale, count) = (scale / 10, count + 1)
                }
                guard (1...9).contains(count) else { return nil }
            } else if isExtended, take(":") {
                guard let milliseconds = digits(3) else { return nil }
                fraction = milliseconds * 1_000
            }
        }
        return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    }

    private mutating func offset() -> Int64? {
        if position == bytes.count || take("Z") || take("z") { return 0 }
        let sign: Int64 = take("-") ? -1 : 1
        guard sign == -1 || take("+") else { return nil }
        guard let hours = digits(2) else { return shortOffset().map { sign * $0 } }
        // PostgreSQL and others omit minutes of 0.
        guard position < bytes.count else { return hours < 24 ? sign * hours * 3_600_000_000 : nil }
        _ = take(":")
        guard let minutes = digits(2), hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 60 + minutes) * 60_000_000
    }

    /// One digit of hours, valid only when a colon follows.
    private mutating func shortOffset() -> Int64? {
        guard let hours = digits(1), take(":"), let minutes = digits(2), minutes < 60 else { return nil }
        return (hours * 60 + minutes) * 60_000_000
    }

    private var isAtDigit: Bool { position < bytes.count && (48...57).contains(bytes[position]) }

    private mutating func digits(_ count: Int) -> Int64? {
        guard position + count <= bytes.count else { return nil }
        var value: Int64 = 0
        for byte in bytes[position..<position + count] {
            guard (48...57).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - 48)
        }
        position += count
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, UInt32(bytes[position]) == character.value else { return false }
        position += 1
        return true
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }

    fileprivate func padded(to width: Int) -> String {
        let text = String(self)
        return String(repeating: "0", count: Swift.max(0, width - text.count)) + text
    }
}
