public import MusterProtocol

extension MusterClient {
    /// The pages of a listing, asked for one by one as they are wanted. `deadline` is for each of them.
    public func pages<C: PagedCall>(_ call: C, deadline: Duration? = nil) -> Pages<C> {
        Pages(client: self, call: call, deadline: deadline)
    }

    /// The entries of a listing, page after page.
    public func entries<C: PagedCall>(of call: C, deadline: Duration? = nil) -> Entries<C> {
        Entries(pages: pages(call, deadline: deadline))
    }
}

/// The pages of a listing.
public struct Pages<C: PagedCall>: AsyncSequence, Sendable {
    let client: MusterClient
    let call: C
    let deadline: Duration?

    /// Begins with the page that the call names, or the first.
    public func makeAsyncIterator() -> Iterator {
        Iterator(client: client, call: call, deadline: deadline)
    }

    /// Asks for a page when it is wanted.
    public struct Iterator: AsyncIteratorProtocol {
        let client: MusterClient
        var call: C?
        let deadline: Duration?

        /// The next page; nil after the last. After an error there is no page any more.
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

    /// Begins with the page that the call names, or the first.
    public func makeAsyncIterator() -> Iterator {
        Iterator(pages: pages.makeAsyncIterator())
    }

    /// Asks for a page when the one before is used up.
    public struct Iterator: AsyncIteratorProtocol {
        var pages: Pages<C>.Iterator
        var entries: [C.Reply.Entry] = []
        var index = 0

        /// The next entry; nil after the last.
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
