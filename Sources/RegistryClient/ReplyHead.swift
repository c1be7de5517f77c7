internal import HTTPTypes

/// Status and header fields of an answer, built line by line as libcurl hands them over.
struct ReplyHead {
    private(set) var status = 0
    private(set) var fields = HTTPFields()
    private var bytes = 0

    /// Adds one line with its line end; a status line starts over (interim answers). False where it is malformed.
    mutating func add(_ line: UnsafeRawBufferPointer) -> Bool {
        bytes += line.count
        guard bytes <= ClientLimits.headerBytes else { return false }
        let text = String(decoding: line, as: UTF8.self).trimmingSuffix { $0.isNewline || $0 == " " || $0 == "\t" }
        if text.isEmpty { return true }
        if text.hasPrefix("HTTP/") {
            let parts = text.split(separator: " ", maxSplits: 2)
            guard parts.count >= 2, let status = Int(parts[1]), (100...599).contains(status) else { return false }
            self.status = status
            fields = HTTPFields()
            return true
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else { return false }
        fields.append(HTTPField(name: name, value: String(parts[1].drop { $0 == " " || $0 == "\t" })))
        return true
    }
}

extension String {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> String {
        var text = self[...]
        while let last = text.last, predicate(last) { text = text.dropLast() }
        return String(text)
    }
}
