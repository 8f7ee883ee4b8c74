public import MusterProtocol

extension MusterClient {
    /// The pages of a listing, requested one by one on demand. `deadline` applies to each of them.
    public func pages<C: PagedCall>(_ call: C, deadline: Duration? = nil) -> Pages<C> {
        Pages(client: self, call: call, deadline: deadline)
    }

    /// The entries of a listing, page by page.
    public func entries<C: PagedCall>(of call: C, deadline: Duration? = nil) -> Entries<C> {
        Entries(pages: pages(call, deadline: deadline))
    }
}

/// The pages of a listing.
public struct Pages<C: PagedCall>: AsyncSequence, Sendable {
    let client: MusterClient
    let call: C
    let deadline: Duration?

    /// Begins at the page that the call names, or at the first.
    public func makeAsyncIterator() -> Iterator {
        Iterator(client: client, call: call, deadline: deadline)
    }

    /// Requests pages on demand.
    public struct Iterator: AsyncIteratorProtocol {
        let client: MusterClient
        var call: C?
        let deadline: Duration?

        /// The next page; nil after the last one. After an error there are no more pages.
        public mutating func next() async throws -> C.Reply? {
            guard var call else { return nil }
            self.call = nil
            let page = try await client.send(call, deadline: deadline)
            if let token = page.nextPageToken {
                call.pageToken = token
                self.call = call
            }
            return page
        }
    }
}

/// The entries of a listing.
public struct Entries<C: PagedCall>: AsyncSequence, Sendable {
    let pages: Pages<C>

    /// Begins at the page that the call names, or at the first.
    public func makeAsyncIterator() -> Iterator {
        Iterator(pages: pages.makeAsyncIterator())
    }

    /// Requests a page when the previous one is used up.
    public struct Iterator: AsyncIteratorProtocol {
        var pages: Pages<C>.Iterator
        var entries: [C.Reply.Entry] = []
        var index = 0

        /// The next entry; nil after the last one.
        public mutating func next() async throws -> C.Reply.Entry? {
            while index == entries.count {
                guard let page = try await pages.next() else { return nil }
                (entries, index) = (page.entries, 0)
            }
            defer { index += 1 }
            return entries[index]
        }
    }
}
