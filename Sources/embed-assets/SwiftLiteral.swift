/// Text as the source of a Swift string literal that means exactly that text.
package enum SwiftLiteral {
    /// A raw literal over several lines; nil when no such literal can mean the text (it holds a carriage return or
    /// another control character, which the compiler refuses or normalises).
    package static func multiline(_ text: String) -> String? {
        let allowed = text.unicodeScalars.allSatisfy {
            $0.value >= 0x20 && $0.value != 0x7F || $0 == "\n" || $0 == "\t"
        }
        guard allowed else { return nil }
        let hashes = String(repeating: "#", count: delimiterHashes(for: text))
        return "\(hashes)\"\"\"\n\(text)\n\"\"\"\(hashes)"
    }

    /// A raw literal on one line, for names and paths without line breaks.
    package static func inline(_ text: String) -> String {
        let hashes = String(repeating: "#", count: delimiterHashes(for: text))
        return "\(hashes)\"\(text)\"\(hashes)"
    }

    /// One more number sign than the longest run in the text, and at least one, so that neither an end of literal nor
    /// an interpolation can occur in it.
    private static func delimiterHashes(for text: String) -> Int {
        var longest = 0
        var run = 0
        for scalar in text.unicodeScalars {
            run = scalar == "#" ? run + 1 : 0
            longest = max(longest, run)
        }
        return longest + 1
    }
}
