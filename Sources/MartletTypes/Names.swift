/// A repository: `NAMESPACE/NAME`, e.g. `clinic/triage`. One model or adapter line.
///
/// The grammar is OCI's for names (distribution spec 1.1, "Pulling manifests"), with exactly one slash or more:
/// the first component is the namespace that a publisher's key is delegated.
package struct RepositoryName: ValidatedString {
    package let text: String

    /// The first component, e.g. `clinic`.
    package var namespace: String { String(text.prefix { $0 != "/" }) }

    package init(_ text: String) throws(InvalidValue) {
        let components = text.split(separator: "/", omittingEmptySubsequences: false)
        guard components.count >= 2, text.utf8.count <= Limits.repositoryNameBytes,
            components.allSatisfy(Self.isComponent), components[0] != "martlet"
        else {
            throw InvalidValue(
                kind: "repository name", value: text,
                rule: "NAMESPACE/NAME in lower-case letters, digits and single . _ or - between them; "
                    + "the namespace martlet is reserved")
        }
        self.text = text
    }

    /// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
    private static func isComponent(_ component: Substring) -> Bool {
        var separator: [UInt8] = []
        var seenAlphanumeric = false
        for byte in component.utf8 {
            if NameRule.isLowerAlphanumeric(byte) {
                guard separator.isEmpty || isSeparator(separator) else { return false }
                separator = []
                seenAlphanumeric = true
            } else {
                guard seenAlphanumeric else { return false }
                separator.append(byte)
            }
        }
        return seenAlphanumeric && separator.isEmpty
    }

    private static func isSeparator(_ bytes: [UInt8]) -> Bool {
        bytes == [UInt8(ascii: ".")] || bytes == [UInt8(ascii: "_")]
            || bytes == [UInt8(ascii: "_"), UInt8(ascii: "_")] || bytes.allSatisfy { $0 == UInt8(ascii: "-") }
    }
}

/// A movable name for a release, e.g. `stable`. Never a version, so that the two cannot be confused.
package struct AliasName: ValidatedString {
    package let text: String
    package init(_ text: String) throws(InvalidValue) {
        guard NameRule.isDNSLabel(text), text.utf8.first.map(NameRule.isDigit) == false else {
            throw InvalidValue(kind: "alias", value: text, rule: NameRule.dnsLabel + ", not starting with a digit")
        }
        self.text = text
    }
}

/// The path of a release as a TUF target: `clinic/triage/1.2.0`.
package struct ReleasePath: ValidatedString {
    /// The repository.
    package let repository: RepositoryName
    /// The version.
    package let version: SemanticVersion

    package var text: String { "\(repository)/\(version)" }

    package init(repository: RepositoryName, version: SemanticVersion) {
        self.repository = repository
        self.version = version
    }

    package init(_ text: String) throws(InvalidValue) {
        guard let slash = text.lastIndex(of: "/") else {
            throw InvalidValue(kind: "release path", value: text, rule: "NAMESPACE/NAME/VERSION")
        }
        repository = try RepositoryName(String(text[..<slash]))
        version = try SemanticVersion(String(text[text.index(after: slash)...]))
    }

    /// The form people write: `clinic/triage:1.2.0`.
    package var reference: String { "\(repository):\(version)" }
}

/// What a person writes to name a release: `clinic/triage:1.2.0` or `clinic/triage@stable`.
package enum ReleaseReference: Sendable, Hashable, CustomStringConvertible {
    case version(ReleasePath)
    case alias(RepositoryName, AliasName)

    package init(_ text: String) throws(InvalidValue) {
        if let colon = text.lastIndex(of: ":") {
            let repository = try RepositoryName(String(text[..<colon]))
            let version = try SemanticVersion(String(text[text.index(after: colon)...]))
            self = .version(ReleasePath(repository: repository, version: version))
        } else if let sign = text.lastIndex(of: "@") {
            let repository = try RepositoryName(String(text[..<sign]))
            self = .alias(repository, try AliasName(String(text[text.index(after: sign)...])))
        } else {
            throw InvalidValue(
                kind: "release", value: text, rule: "NAMESPACE/NAME:VERSION or NAMESPACE/NAME@ALIAS")
        }
    }

    /// The repository that is named.
    package var repository: RepositoryName {
        switch self {
        case .version(let path): path.repository
        case .alias(let repository, _): repository
        }
    }

    package var description: String {
        switch self {
        case .version(let path): path.reference
        case .alias(let repository, let alias): "\(repository)@\(alias)"
        }
    }
}
