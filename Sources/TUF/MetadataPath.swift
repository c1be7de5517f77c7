/// Names of metadata files as they are requested from a repository.
package enum MetadataPath {
    /// `3.root.json`, or `timestamp.json` without a version. The role is percent-encoded: it may be any text.
    package static func file(_ role: String, version: Int? = nil) -> String {
        let name = encoded(role) + ".json"
        return version.map { "\($0).\(name)" } ?? name
    }

    /// Percent-encodes all but RFC 3986's unreserved characters, so that the result is one path segment.
    package static func encoded(_ role: String) -> String {
        var text = ""
        for byte in role.utf8 {
            let scalar = Unicode.Scalar(byte)
            if scalar.isASCII,
                scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                    || "-._~".unicodeScalars.contains(scalar)
            {
                text.unicodeScalars.append(scalar)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                text += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return text
    }
}
