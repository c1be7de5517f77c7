/// An error answer: RFC 9457 problem details, `application/problem+json`.
package struct Problem: Sendable, Hashable, Codable {
    package static let mediaType = "application/problem+json"

    /// `https://martlet.dev/problems/<code>`: names the kind of error; nothing is fetched there.
    package var type: String
    /// A short, fixed sentence for the kind.
    package var title: String
    /// The HTTP status.
    package var status: Int
    /// What went wrong this time.
    package var detail: String
    /// The stable code of the error, e.g. `unknownRelease`.
    package var code: String
    /// What to do next.
    package var remedy: String?
    /// The member of the request that was wrong, as a JSON pointer or a query name.
    package var field: String?

    package init(
        status: Int, code: String, title: String, detail: String, remedy: String? = nil, field: String? = nil
    ) {
        type = "https://martlet.dev/problems/\(code)"
        self.title = title
        self.status = status
        self.detail = detail
        self.code = code
        self.remedy = remedy
        self.field = field
    }
}

/// One page of a list; `next` is the cursor of the page after it.
package struct Page<Item: Sendable & Codable>: Sendable, Codable {
    package var items: [Item]
    /// Passed as `cursor` to get on; nil at the end.
    package var next: String?

    package init(items: [Item], next: String? = nil) {
        self.items = items
        self.next = next
    }
}
