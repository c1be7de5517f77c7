/// What a `Range` field asks of a representation of known length (RFC 9110 section 14).
enum ByteRange: Equatable, Sendable {
    /// No range, or one that is ignored: another unit, several ranges, not a range at all.
    case whole
    /// These bytes.
    case part(Range<Int64>)
    /// 416: nothing of it can be had. A first byte behind the last counts as such, as the OCI conformance suite
    /// demands.
    case unsatisfiable

    init(header: String?, length: Int64) {
        guard let header, header.lowercased().hasPrefix("bytes=") else {
            self = .whole
            return
        }
        let specification = header.dropFirst("bytes=".count).filter { $0 != " " && $0 != "\t" }
        guard !specification.contains(","), let dash = specification.firstIndex(of: "-") else {
            self = .whole
            return
        }
        let first = specification[..<dash]
        let last = specification[specification.index(after: dash)...]
        guard Self.isDigits(first), Self.isDigits(last), !(first.isEmpty && last.isEmpty) else {
            self = .whole
            return
        }
        if first.isEmpty {
            // Numbers beyond 64 bits mean "more than there is".
            let count = Int64(last) ?? Int64.max
            self = count == 0 || length == 0 ? .unsatisfiable : .part(max(0, length - count)..<length)
            return
        }
        let start = Int64(first) ?? Int64.max
        let end = last.isEmpty ? Int64.max : (Int64(last) ?? Int64.max)
        guard start < length, start <= end else {
            self = .unsatisfiable
            return
        }
        self = .part(start..<(end >= length - 1 ? length : end + 1))
    }

    private static func isDigits(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

/// Entity tags in `If-None-Match`, `If-Match` and `If-Range` (RFC 9110 section 13).
enum EntityTag {
    /// Whether the list names `tag` (quotes included), by weak comparison.
    static func list(_ header: String?, names tag: String) -> Bool {
        guard let header else { return false }
        return header.split(separator: ",").contains { element in
            let text = element.filter { $0 != " " && $0 != "\t" }
            return text == "*" || text == tag || text == "W/" + tag
        }
    }
}
