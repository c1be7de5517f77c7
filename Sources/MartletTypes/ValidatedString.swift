/// A string that was checked once, at the edge, and is known to be well-formed ever after.
///
/// Conformers are coded as plain JSON strings and compare by their text.
package protocol ValidatedString: Sendable, Hashable, Comparable, Codable, CustomStringConvertible,
    CodingKeyRepresentable
{
    /// The checked text.
    var text: String { get }
    /// Checks `text`; throws `InvalidValue` naming the rule.
    init(_ text: String) throws(InvalidValue)
}

extension ValidatedString {
    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    package init(from decoder: any Decoder) throws {
        self = try decoder.checked { (text: String) throws(InvalidValue) in try Self(text) }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    /// Lets dictionaries keyed by a checked name be coded as JSON objects.
    package var codingKey: any CodingKey { TextKey(stringValue: text) }

    package init?<T: CodingKey>(codingKey: T) {
        try? self.init(codingKey.stringValue)
    }
}

/// A coding key that is any text.
package struct TextKey: CodingKey {
    package let stringValue: String
    package var intValue: Int? { nil }
    package init(stringValue: String) { self.stringValue = stringValue }
    package init?(intValue: Int) { nil }
}

/// Checks over the bytes of a name, shared by the validated types.
enum NameRule {
    static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || isDigit(byte)
    }

    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLowerAlphanumeric(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// A DNS label (RFC 1123): lower-case letters, digits and inner hyphens, 1 to 63 bytes.
    static func isDNSLabel(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, let last = bytes.last, bytes.count <= Limits.nameBytes else { return false }
        return isLowerAlphanumeric(first) && isLowerAlphanumeric(last)
            && bytes.allSatisfy { isLowerAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }

    static let dnsLabel = "1 to 63 lower-case letters, digits and inner hyphens"
}
