package import MartletTypes

/// What all four roles have in common.
package protocol RoleMetadata: Sendable, Hashable {
    /// The value of `_type`.
    static var type: String { get }
    /// Rises with every change; at least 1.
    var version: Int { get }
    /// After this the metadata is not to be trusted any more.
    var expires: Timestamp { get }
    /// Reads the `signed` part; strict about what the specification names, tolerant of what it does not.
    init(json: JSONValue) throws(TUFError)
    /// The `signed` part for writing, unknown fields included.
    var json: JSONValue { get }
}

extension RoleMetadata {
    /// The version of the specification that is written.
    static var specificationVersion: String { "1.0.31" }

    /// The fields common to all roles, for writing. Expiry is in whole seconds, as the specification has it.
    func commonFields(_ unrecognized: [String: JSONValue]) -> [String: JSONValue] {
        var members = unrecognized
        members["_type"] = .string(Self.type)
        if members["spec_version"] == nil { members["spec_version"] = .string(Self.specificationVersion) }
        members["version"] = .integer(Int64(version))
        members["expires"] = .string(Timestamp(seconds: expires.seconds).description)
        return members
    }

    /// Whether the metadata is past its expiry at `time`.
    package func isExpired(at time: Timestamp) -> Bool { expires <= time }
}

/// Takes known fields out of an object, so that what is left are the unknown ones.
struct MetadataReader {
    private(set) var members: [String: JSONValue]
    private let role: String

    /// Reads the fields common to all roles; leaves `spec_version` among the unknown ones so that it is written back.
    init(_ json: JSONValue, type: String) throws(TUFError) {
        guard let members = json.object else { throw TUFError(.malformed, role: type, "\(type) is not an object.") }
        self.members = members
        role = type
        let found = try string("_type")
        guard found == type else {
            throw TUFError(
                .wrongType, role: type, "Expected \(type), got \(found.prefix(Limits.quotedValueCharacters)).")
        }
        let specification = members["spec_version"]?.string ?? ""
        let parts = specification.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), parts.allSatisfy({ UInt($0) != nil }), parts[0] == "1" else {
            throw malformed("spec_version is not 1.x")
        }
    }

    /// Reads an object that is nested in metadata of `role`.
    init(object json: JSONValue, role: String, what: String) throws(TUFError) {
        guard let members = json.object else {
            throw TUFError(.malformed, role: role, "\(role): \(what) is not an object.")
        }
        self.members = members
        self.role = role
    }

    /// A refusal that names the role.
    func malformed(_ what: String) -> TUFError { TUFError(.malformed, role: role, "\(role): \(what).") }

    mutating func string(_ key: String) throws(TUFError) -> String {
        guard let value = members.removeValue(forKey: key)?.string else { throw malformed("\(key) is not a string") }
        return value
    }

    mutating func object(_ key: String) throws(TUFError) -> [String: JSONValue] {
        guard let value = members.removeValue(forKey: key)?.object else { throw malformed("\(key) is not an object") }
        return value
    }

    mutating func array(_ key: String) throws(TUFError) -> [JSONValue] {
        guard let value = members.removeValue(forKey: key)?.array else { throw malformed("\(key) is not an array") }
        return value
    }

    mutating func strings(_ key: String) throws(TUFError) -> [String] {
        let values = try array(key)
        let texts = values.compactMap(\.string)
        guard texts.count == values.count else { throw malformed("\(key) holds something that is not a string") }
        return texts
    }

    /// A Boolean, or nil where the field is absent.
    mutating func bool(_ key: String) throws(TUFError) -> Bool? {
        guard let value = members.removeValue(forKey: key) else { return nil }
        guard let bool = value.bool else { throw malformed("\(key) is not true or false") }
        return bool
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int64>) throws(TUFError) -> Int {
        guard let value = members.removeValue(forKey: key)?.integer, range.contains(value) else {
            throw malformed("\(key) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(value)
    }

    /// A version; bounded so that the next one always exists.
    mutating func version() throws(TUFError) -> Int { try integer("version", in: 1...TUFNumbers.maxVersion) }

    mutating func time(_ key: String) throws(TUFError) -> Timestamp {
        let text = try string(key)
        do {
            return try Timestamp(text)
        } catch {
            throw malformed("\(key) is not a time")
        }
    }

    /// The map of hashes of a file; nil where the field is absent. Present but empty is refused.
    mutating func hashes() throws(TUFError) -> [String: String]? {
        guard members["hashes"] != nil else { return nil }
        let values = try object("hashes")
        let texts = values.compactMapValues(\.string)
        guard !values.isEmpty, texts.count == values.count else {
            throw malformed("hashes is empty or holds something that is not a string")
        }
        return texts
    }

    /// The distinct key identifiers and the threshold of a role, as root and delegations write them.
    mutating func roleKeys() throws(TUFError) -> RoleKeys {
        let keyIDs = try strings("keyids")
        guard Set(keyIDs).count == keyIDs.count else { throw malformed("keyids names a key twice") }
        let threshold = try integer("threshold", in: 1...TUFNumbers.maxThreshold)
        return RoleKeys(keyIDs: keyIDs, threshold: threshold)
    }

    mutating func keys() throws(TUFError) -> [String: PublicKey] {
        var keys: [String: PublicKey] = [:]
        for (keyID, value) in try object("keys") { keys[keyID] = try PublicKey(json: value) }
        return keys
    }
}

/// Bounds on numbers in metadata.
enum TUFNumbers {
    /// 2^53 - 1: the largest whole number that every JSON parser keeps.
    static let maxVersion: Int64 = 9_007_199_254_740_991
    /// More signatures than this could never fit into an envelope, but a root that asks for them is still readable.
    static let maxThreshold: Int64 = 1_000_000
}
