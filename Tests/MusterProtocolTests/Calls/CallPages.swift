import MusterProtocol

/// The pages of `proto-docs` that say what the definitions say: a page a call, their index, and the limits. By path
/// below `proto-docs`.
func renderedPages() throws -> [String: String] {
    var pages = ["calls/README.md": callIndex(), "limits.md": limitsPage()]
    for call in allCalls { pages["calls/\(call.method).md"] = try page(of: call) }
    return pages
}

/// The rendered parts of hand-written pages, by page and name. In a page each is between `<!-- NAME, rendered -->` and
/// `<!-- end -->`.
func renderedParts() throws -> [String: [String: String]] {
    [
        "repeating.md": [
            "calls by what may be done": repeatingTable(),
            "calls with request ids": list(allCalls.filter { $0 is any RecordedCall.Type }) + " take a `request_id`",
        ],
        "paging.md": ["paged calls": list(allCalls.filter { $0 is any PagedCall.Type })],
        "frames.md": [
            "port": "The RPC listens on port **\(DefaultPort.rpc)** unless its operator chose another one"
        ],
    ]
}

/// A page with its rendered parts.
func page(_ text: String, with parts: [String: String]) -> String {
    parts.reduce(text) { text, part in
        guard let start = text.firstRange(of: "<!-- \(part.key), rendered -->"),
            let end = text[start.upperBound...].firstRange(of: "<!-- end -->")
        else { return "This page has no part \(part.key)." }
        return "\(text[..<start.upperBound])\(part.value)\(text[end.lowerBound...])"
    }
}

private func repeatingTable() -> String {
    func calls(_ isMeant: (any Call.Type) -> Bool) -> String { list(allCalls.filter(isMeant)) }
    func isSafe<C: Call>(_: C.Type) -> Bool { C.example.call.isSafeToRepeat }
    func isRead(_ call: any Call.Type) -> Bool { call is any ReadingCall.Type }
    func isRecorded(_ call: any Call.Type) -> Bool { call is any RecordedCall.Type }
    let rows = [
        ("reads", calls(isRead), "send it again"),
        (
            "writes whose effect is a state", calls { !isRead($0) && !isRecorded($0) && isSafe($0) },
            "send it again: twice has the effect of once, as long as nobody else changes the same thing in between"
        ),
        (
            "writes with a `request_id`", calls(isRecorded),
            "send it again with the same `request_id`; without one, look first"
        ),
        (
            "other writes", calls { !isRead($0) && !isRecorded($0) && !isSafe($0) },
            "look first: `keys.list`, `cohorts.get`, … A delete that answers `NOT_FOUND` the second time was done the first time, or by somebody else"
        ),
    ]
    let lines = rows.map { "| \($0.0): \($0.1) | \($0.2) |" }
    return "\n| call | after a lost answer |\n| --- | --- |\n\(lines.joined(separator: "\n"))\n"
}

private func list(_ calls: [any Call.Type]) -> String {
    let names = calls.map { call in "`\(call.method)`" }
    return names.dropLast().joined(separator: ", ") + (names.count > 1 ? " and " : "") + (names.last ?? "none")
}

private func page<C: Call>(of _: C.Type) throws -> String {
    """
    # \(C.method)

    \(C.summary)

    \(linked(C.notes))

    **Safe to repeat:** \(repeating(C.self))

    ## Fields

    \(try fieldTables(of: C.self))

    ## Example

    The body of the request:

    ```json
    \(try readable(C.example.call))
    ```

    The body of the reply:

    ```json
    \(try readable(C.example.reply))
    ```

    """
}

/// What a caller may do after a lost answer.
private func repeating<C: Call>(_: C.Type) -> String {
    if C.self is any ReadingCall.Type { return "yes; it changes nothing." }
    if C.self is any RecordedCall.Type {
        return """
            with a `request_id`, which gets the recorded answer: [repeating calls](../repeating.md). Without one, no.
            """
    }
    return C.example.call.isSafeToRepeat ? "yes; twice has the effect of once." : "no; look first what became of it."
}

/// The fields that a call and its reply ask for when they are decoded.
private func fieldTables<C: Call>(of _: C.Type) throws -> String {
    let body = try C.bodyFields().map { row($0, required: "required", optional: "optional") }
    let reply = try C.replyFields().map { row($0, required: "always", optional: "may be absent") }
    func table(_ rows: [String], _ name: String) -> String {
        rows.isEmpty
            ? "The body of the \(name) is `{}`."
            : "The body of the \(name):\n\n| field | value | |\n| --- | --- | --- |\n\(rows.joined(separator: "\n"))"
    }
    return table(body, "request") + "\n\n" + table(reply, "reply")
}

private func row(_ field: FieldDescription, required: String, optional: String) -> String {
    let presence =
        switch field.presence {
        case .required: required
        case .optional: optional
        case .choice: "one of these"
        case nil: "unknown"
        }
    let type = field.bounds.map { "\(field.type), \($0)" } ?? field.type
    let answer = field.isValidatedSeparately && field.presence != .optional ? ", else the object is in `errors`" : ""
    return "| `\(field.path)` | \(type) | \(presence)\(answer) |"
}

private func callIndex() -> String {
    var lines = [
        "# Calls", "",
        "A page a call, by noun. They are rendered from the definitions in `Sources/MusterProtocol/Calls`; a test compares them.",
        "",
        """
        In their tables of fields, `[]` stands for every element of an array, and *required*, *optional*, *always* and *may be absent* are meant \
        of the object that the field stands in: `cohort_changes[].aliases[].alias_name` is required in each alias, though no alias is. \
        *One of these*: the object is a choice between its fields. *Else the object is in `errors`*: the call validates each object separately. \
        One that lacks the field, or has none of *these*, is reported in the reply, as is one with another value in any of its fields; the others are applied. A *time* is an [ISO-8601 string](../identifiers.md#times); a *whole number* \
        lies within ±2^53. What a field means, its limits, and which fields exclude each other stands above the tables.
        """,
    ]
    var noun = ""
    for call in allCalls {
        let calls = String(call.method.prefix { $0 != "." })
        if calls != noun {
            noun = calls
            lines += ["", "## \(noun)", "", "| call | |", "| --- | --- |"]
        }
        lines.append("| [\(call.method)](\(call.method).md) | \(call.summary) |")
    }
    return lines.joined(separator: "\n") + "\n"
}

private func limitsPage() -> String {
    let rows = Limits.all.map { "| `\($0.name)` | \(grouped($0.value)) | \($0.unit) | \($0.reason) |" }
    return """
        # Limits

        Every bound that a server keeps. [`server.info`](calls/server.info.md) reports them all, so that a client can size its batches \
        by the server that it talks to. The table is rendered from `Sources/MusterProtocol/Limits.swift`; a test compares it.

        | name | value | unit | what it bounds |
        | --- | ---: | --- | --- |
        \(rows.joined(separator: "\n"))

        What happens beyond a limit (a refusal has the limit's `name` and `value` in its sentence, and as `limit` and `limit_value` in its \
        [details](errors.md)):

        - A frame that is too long (`RESOURCE_EXHAUSTED`) or takes too long to come ends the connection. A message with too many values or nested too \
        deeply is refused under its id, and ends the connection only where that can't be told: [frames](frames.md).
        - A call with too many identifiers, users, segments or filter nodes is refused whole with `INVALID_ARGUMENT`, and nothing \
        of it is applied. Send less at a time.
        - One user of a batch who would get too many aliases, devices or attributes is refused alone, as `too_many`: \
        [users.upsert](calls/users.upsert.md).
        - A reply that would be longer than a frame is `RESOURCE_EXHAUSTED`: ask for a smaller page.
        - `page_size`, `deadline_ms` and `max_staleness_ms` above their limits count as the limit.
        - More requests in flight on a connection than allowed are not refused: the server reads no further from it than to the first of \
        them until one has ended; cancels and pings before it are heard. More of one key over all its connections are refused with `RESOURCE_EXHAUSTED`.
        - A connection too many hears `RESOURCE_EXHAUSTED` (with the `id` 0 and `retry_after_ms`) and is closed.
        - A lock that can't be had in time answers `ABORTED`; an operator can set that time, and the time that a shutdown takes, so \
        that these two may differ from the table.

        """
}

private func grouped(_ number: Int) -> String {
    var (text, rest) = ("", String(number)[...])
    while rest.count > 3 {
        text = ",\(rest.suffix(3))\(text)"
        rest = rest.dropLast(3)
    }
    return rest + text
}

/// The notes, which terminals show too, with links to other pages.
private func linked(_ notes: String) -> String {
    [
        ("ee paging", "paging"), ("ee identifiers", "identifiers"), ("ee filters", "filters"),
        ("ee staleness", "staleness"),
    ].reduce(notes) { notes, link in
        notes.replacing(link.0, with: "ee [\(link.1)](../\(link.1).md)")
    }
}

// MARK: JSON for people

/// A name includes its colon.
/// The wire encoder's output, with a line for each value that does not fit beside its neighbours.
private func readable(_ value: some Encodable) throws -> String {
    try JSONReader().read(try JSONEncoding.encode(value)) { try lines(of: $0, indent: 0) }
}

private func lines(of value: JSONValue, indent: Int) throws -> String {
    let line = try oneLine(value)
    if line.utf8.count + indent <= 100 { return line }
    let inner = String(repeating: " ", count: indent + 2)
    let outer = String(repeating: " ", count: indent)
    switch value.kind {
    case .object:
        let fields = try value.fields().map { name, value in
            "\(inner)\(RawJSON(name).text) \(try lines(of: value, indent: indent + 2))"
        }
        return "{\n\(fields.joined(separator: ",\n"))\n\(outer)}"
    case .array:
        let elements = try value.elements().map { inner + (try lines(of: $0, indent: indent + 2)) }
        return "[\n\(elements.joined(separator: ",\n"))\n\(outer)]"
    default: return line
    }
}

private func oneLine(_ value: JSONValue) throws -> String {
    switch value.kind {
    case .object:
        let fields = try value.fields().map { name, value in "\(RawJSON(name).text) \(try oneLine(value))" }
        return "{\(fields.joined(separator: ", "))}"
    case .array: return "[\(try value.elements().map(oneLine).joined(separator: ", "))]"
    default: return RawJSON(value).text
    }
}
