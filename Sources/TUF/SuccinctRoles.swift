internal import MartletTypes

/// Hash bins: 2^`bitLength` roles that share keys, the bin being chosen by the SHA-256 of the target path.
///
/// Source: TUF 1.0 section 4.5, "succinct_roles" (TAP 15).
package struct SuccinctRoles: Sendable, Hashable {
    /// Number of leading bits of the hash that choose the bin, 1 to 32.
    package let bitLength: Int
    /// Names of bins are this, a hyphen and the number of the bin in hexadecimal.
    package let namePrefix: String
    /// Who signs every bin.
    package let keys: RoleKeys
    private let unrecognized: [String: JSONValue]

    /// Identifiers of the keys that sign every bin.
    package var keyIDs: [String] { keys.keyIDs }
    /// How many of them must sign.
    package var threshold: Int { keys.threshold }

    /// Throws `malformed` for a bit length outside 1 to 32 or an empty prefix.
    package init(bitLength: Int, namePrefix: String, keyIDs: [String], threshold: Int) throws(TUFError) {
        guard (1...32).contains(bitLength), !namePrefix.isEmpty else {
            throw TUFError(.malformed, role: TargetsMetadata.type, "Hash bins need 1 to 32 bits and a prefix.")
        }
        self.bitLength = bitLength
        self.namePrefix = namePrefix
        keys = RoleKeys(keyIDs: keyIDs, threshold: threshold)
        unrecognized = [:]
    }

    init(json: JSONValue) throws(TUFError) {
        var reader = try MetadataReader(object: json, role: TargetsMetadata.type, what: "succinct_roles")
        bitLength = try reader.integer("bit_length", in: 1...32)
        namePrefix = try reader.string("name_prefix")
        guard !namePrefix.isEmpty else { throw reader.malformed("name_prefix is empty") }
        keys = try reader.roleKeys()
        unrecognized = reader.members
    }

    var json: JSONValue {
        var members = unrecognized.merging(keys.fields) { $1 }
        members["bit_length"] = .integer(Int64(bitLength))
        members["name_prefix"] = .string(namePrefix)
        return .object(members)
    }

    /// How many bins there are.
    package var binCount: Int { 1 << bitLength }

    /// The name of a bin by its number.
    package func name(ofBin number: Int) -> String {
        Self.name(ofBin: number, prefix: namePrefix, bitLength: bitLength)
    }

    /// The prefix, a hyphen, and the number in as many hexadecimal digits as the last bin's number has.
    static func name(ofBin number: Int, prefix: String, bitLength: Int) -> String {
        let digits = String(number, radix: 16)
        return prefix + "-" + String(repeating: "0", count: (bitLength + 3) / 4 - digits.count) + digits
    }

    /// The bin that a target path falls into.
    package func role(forTarget path: String) -> String {
        let leading = Digest.of(Array(path.utf8)).hex.prefix(8)
        guard let number = UInt32(leading, radix: 16) else {
            preconditionFailure("a digest is hexadecimal")
        }
        return name(ofBin: Int(number >> (32 - UInt32(bitLength))))
    }

    /// Whether a name is that of a bin.
    package func contains(_ role: String) -> Bool {
        guard role.hasPrefix(namePrefix + "-") else { return false }
        let suffix = role.dropFirst(namePrefix.count + 1)
        guard suffix.utf8.count == suffixLength, let number = UInt32(suffix, radix: 16), number < binCount else {
            return false
        }
        return name(ofBin: Int(number)) == role
    }

    private var suffixLength: Int { (bitLength + 3) / 4 }
}
