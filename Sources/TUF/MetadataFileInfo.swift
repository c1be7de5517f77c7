internal import MartletTypes

/// How snapshot names a targets file, and timestamp the snapshot: version, and length and hashes where given.
package struct MetadataFileInfo: Sendable, Hashable {
    /// The version of the file.
    package var version: Int
    /// The length in bytes, if promised.
    package var length: Int64?
    /// Hashes by algorithm, if promised.
    package var hashes: [String: String]?
    private let unrecognized: [String: JSONValue]

    package init(version: Int, length: Int64? = nil, hashes: [String: String]? = nil) {
        self.version = version
        self.length = length
        self.hashes = hashes
        unrecognized = [:]
    }

    /// Version, length and SHA-256 of a file that is at hand.
    package init(version: Int, of bytes: [UInt8]) {
        self.init(version: version, length: Int64(bytes.count), hashes: ["sha256": Digest.of(bytes).hex])
    }

    init(json: JSONValue, role: String, file: String) throws(TUFError) {
        var reader = try MetadataReader(object: json, role: role, what: file)
        version = try reader.version()
        length =
            reader.members["length"] == nil
            ? nil : Int64(try reader.integer("length", in: 0...TUFNumbers.maxVersion))
        hashes = try reader.hashes()
        unrecognized = reader.members
    }

    var json: JSONValue {
        var members = unrecognized
        members["version"] = .integer(Int64(version))
        if let length { members["length"] = .integer(length) }
        if let hashes { members["hashes"] = .object(hashes.mapValues(JSONValue.string)) }
        return .object(members)
    }

    /// How many bytes to fetch at most: what was promised, never above `limit`.
    func fetchLimit(_ limit: Int) -> Int { length.map { Int(min($0, Int64(limit))) } ?? limit }

    /// Checks length and hashes, where promised.
    func check(_ bytes: [UInt8], role: String) throws(TUFError) {
        if let length { try FileCheck.length(Int64(bytes.count), is: length, role: role) }
        if let hashes { try FileCheck.hashes(of: bytes, are: hashes, role: role) }
    }
}

/// Compares bytes with a promised length and promised hashes.
enum FileCheck {
    static func length(_ found: Int64, is promised: Int64, role: String) throws(TUFError) {
        guard found <= promised else {
            throw TUFError(.lengthExceeded, role: role, "\(role) is longer than the promised \(promised) bytes.")
        }
        guard found == promised else {
            throw TUFError(.lengthMismatch, role: role, "\(role) has \(found) of the promised \(promised) bytes.")
        }
    }

    /// Every hash of a known algorithm must match, and at least one must be known.
    static func hashes(of bytes: [UInt8], are promised: [String: String], role: String) throws(TUFError) {
        var checked = false
        for algorithm in Digest.Algorithm.allCases {
            guard let expected = promised[algorithm.rawValue] else { continue }
            let found = Digest.of(bytes, algorithm).hex
            guard found == expected.lowercased() else {
                throw TUFError(
                    .hashMismatch, role: role, "\(role) has \(algorithm.rawValue) \(found), not the promised one.")
            }
            checked = true
        }
        guard checked else {
            throw TUFError(.hashMismatch, role: role, "\(role) is promised by no hash algorithm that is known here.")
        }
    }
}
