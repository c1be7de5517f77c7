import MartletTypes

/// What a path below `/v2/` addresses. Source: OCI distribution spec 1.1, "Endpoints".
enum OCIPath: Equatable, Sendable {
    case blob(RepositoryName, Digest)
    case uploads(RepositoryName)
    case upload(RepositoryName, String)
    case manifest(RepositoryName, Reference)
    case tags(RepositoryName)
    case referrers(RepositoryName, Digest)

    /// What stands behind `manifests/`.
    enum Reference: Equatable, Sendable {
        case tag(String)
        case digest(Digest)
    }

    /// The repository that is addressed.
    var repository: RepositoryName {
        switch self {
        case .blob(let name, _), .uploads(let name), .upload(let name, _), .manifest(let name, _), .tags(let name),
            .referrers(let name, _):
            name
        }
    }

    /// Parses the decoded path behind `/v2/`; throws errors of the specification.
    init(_ path: String) throws(ServerError) {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let count = segments.count
        func name(dropping tail: Int) throws(ServerError) -> RepositoryName {
            do {
                return try RepositoryName(segments.dropLast(tail).joined(separator: "/"))
            } catch {
                throw ServerError(400, "NAME_INVALID", error.message, remedy: error.remedy)
            }
        }
        func digest(_ text: String) throws(ServerError) -> Digest {
            do {
                return try Digest(text)
            } catch {
                throw ServerError(400, "DIGEST_INVALID", error.message, remedy: error.remedy)
            }
        }
        if count >= 4, segments[count - 3] == "blobs", segments[count - 2] == "uploads" {
            let id = segments[count - 1]
            self = id.isEmpty ? .uploads(try name(dropping: 3)) : .upload(try name(dropping: 3), id)
        } else if count >= 3, segments[count - 2] == "blobs" {
            // POST to `uploads` without the slash is what some clients send.
            self =
                segments[count - 1] == "uploads"
                ? .uploads(try name(dropping: 2)) : .blob(try name(dropping: 2), try digest(segments[count - 1]))
        } else if count >= 3, segments[count - 2] == "manifests" {
            self = .manifest(try name(dropping: 2), try Reference(segments[count - 1]))
        } else if count >= 3, segments[count - 2] == "tags", segments[count - 1] == "list" {
            self = .tags(try name(dropping: 2))
        } else if count >= 3, segments[count - 2] == "referrers" {
            self = .referrers(try name(dropping: 2), try digest(segments[count - 1]))
        } else {
            throw ServerError(
                404, "NAME_UNKNOWN", "There is nothing at /v2/\(path.prefix(Limits.quotedValueCharacters)).")
        }
    }
}

extension OCIPath.Reference {
    init(_ text: String) throws(ServerError) {
        if text.contains(":") {
            do {
                self = .digest(try Digest(text))
            } catch {
                throw ServerError(400, "DIGEST_INVALID", error.message, remedy: error.remedy)
            }
            return
        }
        // `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
        let isWord: (UInt8) -> Bool = { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard let first = text.utf8.first, isWord(first), text.utf8.count <= Limits.tagBytes,
            text.utf8.allSatisfy({ isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else {
            throw ServerError(
                404, "MANIFEST_UNKNOWN", "\"\(text.prefix(Limits.quotedValueCharacters))\" is not a tag.",
                remedy: "A tag has up to \(Limits.tagBytes) letters, digits, '_', '.' and '-'.")
        }
        self = .tag(text)
    }
}
