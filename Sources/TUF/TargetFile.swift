package import MartletTypes

/// One target: what it weighs, what its hashes are, and what its publisher says about it.
package struct TargetFile: Sendable, Hashable {
    /// Length in bytes.
    package var length: Int64
    /// Hashes in hexadecimal by algorithm, e.g. `["sha256": "…"]`; never empty.
    package var hashes: [String: String]
    /// The publisher's own fields, signed with the rest.
    package var custom: JSONValue?
    private let unrecognized: [String: JSONValue]

    package init(length: Int64, hashes: [String: String], custom: JSONValue? = nil) {
        self.length = length
        self.hashes = hashes
        self.custom = custom
        unrecognized = [:]
    }

    /// A target whose bytes are named by a digest.
    package init(length: Int64, digest: Digest, custom: JSONValue? = nil) {
        self.init(length: length, hashes: [digest.algorithm.rawValue: digest.hex], custom: custom)
    }

    init(json: JSONValue, role: String, path: String) throws(TUFError) {
        var reader = try MetadataReader(object: json, role: role, what: path)
        length = Int64(try reader.integer("length", in: 0...TUFNumbers.maxVersion))
        guard let hashes = try reader.hashes() else { throw reader.malformed("\(path) has no hashes") }
        self.hashes = hashes
        var rest = reader.members
        custom = rest.removeValue(forKey: "custom")
        unrecognized = rest
    }

    var json: JSONValue {
        var members = unrecognized
        members["length"] = .integer(length)
        members["hashes"] = .object(hashes.mapValues(JSONValue.string))
        if let custom { members["custom"] = custom }
        return .object(members)
    }

    /// Checks bytes against the length and the hashes; throws `lengthExceeded`, `lengthMismatch` or `hashMismatch`.
    package func check(_ bytes: [UInt8], path: String) throws(TUFError) {
        try FileCheck.length(Int64(bytes.count), is: length, role: path)
        try FileCheck.hashes(of: bytes, are: hashes, role: path)
    }

    /// Whether the target's length and hashes name exactly this digest and length.
    package func names(_ digest: Digest, length: Int64) -> Bool {
        self.length == length && hashes[digest.algorithm.rawValue]?.lowercased() == digest.hex
    }
}
