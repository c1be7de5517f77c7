/// The canonical form of JSON over which TUF signatures are made.
///
/// Keys sorted by code point, no white space, strings escape only `"` and `\`, whole numbers only.
/// Source: OLPC Canonical JSON, as TUF 1.0 section 4.1 names it and securesystemslib writes it.
package enum CanonicalJSON {
    /// A value that has no canonical form.
    package struct NotCanonical: MartletError {
        package var code: String { "notCanonical" }
        package var message: String { "A number with a fraction has no canonical JSON form." }
        package var remedy: String { "Use whole numbers in signed documents." }
        package var fault: ErrorFault { .caller }
    }

    /// The canonical bytes of `value`; throws `NotCanonical` at a number with a fraction.
    package static func encode(_ value: JSONValue) throws(NotCanonical) -> [UInt8] {
        var bytes: [UInt8] = []
        try append(value, to: &bytes)
        return bytes
    }

    private static func append(_ value: JSONValue, to bytes: inout [UInt8]) throws(NotCanonical) {
        switch value {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += String(value).utf8
        case .number: throw NotCanonical()
        case .string(let text): append(text, to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                try append(element, to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            let sorted = members.sorted { $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars) }
            for (index, member) in sorted.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                append(member.key, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                try append(member.value, to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
