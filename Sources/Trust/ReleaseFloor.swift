package import MartletTypes
package import TUF

/// The lowest version of a repository that its publisher lets any device install, whoever assigns a lower one.
///
/// It stands in the `custom` field of the publisher-signed target `clinic/triage/floor`; the target's bytes are the
/// same statement as a document of its own, so that any TUF client can fetch it.
package struct ReleaseFloor: Sendable, Hashable, Codable {
    /// The last component of the target's path. No version of a release has this form.
    package static let targetName = "floor"
    /// A sentence or two; it is signed, and every device loads it.
    package static let reasonBytes = 512
    /// The member of `custom` that holds it.
    private static let member = "floor"

    /// Nothing below this version is installed.
    package var version: SemanticVersion
    /// Rises with every statement for the repository: the one with the highest number counts, so that a lower floor
    /// is the publisher's own decision and never an old statement brought back.
    package var number: Int64
    /// Why, for people; at most `reasonBytes`.
    package var reason: String

    package init(version: SemanticVersion, number: Int64, reason: String = "") {
        self.version = version
        self.number = number
        self.reason = reason
    }

    /// The target of a repository's floor, e.g. `clinic/triage/floor`.
    package static func path(of repository: RepositoryName) -> String { "\(repository)/\(targetName)" }

    /// The repository whose floor a target of this path is; nil where it is no floor's path.
    package static func repository(ofPath path: String) -> RepositoryName? {
        guard path.hasSuffix("/" + targetName) else { return nil }
        do { return try RepositoryName(String(path.dropLast(targetName.utf8.count + 1))) } catch { return nil }
    }

    /// The bytes that the target's hash is of.
    package func document(for repository: RepositoryName) throws -> [UInt8] {
        try CanonicalJSON.encode(
            .object([
                "_type": .string("martlet-floor"), "number": .integer(number), "reason": .string(reason),
                "repository": .string(repository.text), "version": .string(version.text),
            ]))
    }

    /// The target to be signed.
    package func target(for repository: RepositoryName) throws -> TargetFile {
        let bytes = try document(for: repository)
        let fields: JSONValue = .object([
            "number": .integer(number), "reason": .string(reason), "version": .string(version.text),
        ])
        return TargetFile(
            length: Int64(bytes.count), digest: Digest.of(bytes), custom: .object([Self.member: fields]))
    }

    /// Reads what a signed target says; throws `InvalidValue` where it is no floor, or its bytes are another's.
    package init(_ target: TargetFile, of repository: RepositoryName) throws {
        let path = Self.path(of: repository)
        guard let fields = target.custom?[Self.member], let text = fields["version"]?.string,
            let number = fields["number"]?.integer, number > 0, let reason = fields["reason"]?.string,
            reason.utf8.count <= Self.reasonBytes
        else { throw InvalidValue(kind: "floor", value: path, rule: "version, number above 0 and reason in custom") }
        self.init(version: try SemanticVersion(text), number: number, reason: reason)
        let bytes = try document(for: repository)
        guard target.names(Digest.of(bytes), length: Int64(bytes.count)) else {
            throw InvalidValue(kind: "floor", value: path, rule: "the hash of the statement that custom makes")
        }
    }
}
