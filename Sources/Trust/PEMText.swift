internal import FoundationEssentials

/// RFC 7468: binary between two lines that say what it is.
package enum PEMText {
    /// The bytes in base64, 64 letters to a line, under a label such as `CERTIFICATE REQUEST`.
    package static func encode(_ der: [UInt8], label: String) -> String {
        let base64 = Data(der).base64EncodedString()
        var lines = ["-----BEGIN \(label)-----"]
        var rest = base64[...]
        while !rest.isEmpty {
            lines.append(String(rest.prefix(64)))
            rest = rest.dropFirst(64)
        }
        return (lines + ["-----END \(label)-----", ""]).joined(separator: "\n")
    }
}
