import BundleFormat
import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore

extension OCIService {
    func manifest(
        _ repository: RepositoryName, _ reference: OCIPath.Reference, _ exchange: Exchange
    ) async throws -> Response {
        let stored = try await core.database.read { sql in
            switch reference {
            case .tag(let tag): try ManifestStore(sql).find(repository, tag: tag)
            case .digest(let digest): try ManifestStore(sql).find(repository, digest)
            }
        }
        guard let stored else { throw Self.unknownManifest(reference.text) }
        let tag = "\"\(stored.digest)\""
        if EntityTag.list(exchange.request.headers[.ifNoneMatch], names: tag) {
            return Response(status: .notModified, headers: [.eTag: tag, .dockerDigest: stored.digest.text])
        }
        var response = Response.bytes(stored.bytes, mediaType: stored.mediaType)
        response.headers[.dockerDigest] = stored.digest.text
        response.headers[.eTag] = tag
        return response
    }

    func putManifest(
        _ repository: RepositoryName, _ reference: OCIPath.Reference, _ exchange: Exchange
    ) async throws -> Response {
        let bytes = try await exchange.body(limit: Limits.manifestBytes)
        let declared =
            exchange.request.headers[.contentType].map { String($0.prefix { $0 != ";" }) } ?? MediaType.manifest
        let (manifest, references) = try Self.parse(bytes, declared, repository, reference)
        let (core, actor) = (core, exchange.actor)
        try await core.database.write { sql in
            let store = ManifestStore(sql)
            let now = core.clock()
            do {
                try store.put(manifest, references: references, now: now)
            } catch let error as StoreError where error.kind == .notFound {
                throw ServerError(404, "MANIFEST_BLOB_UNKNOWN", error.message, remedy: "Push it first.")
            }
            if case .tag(let tag) = reference { try store.setTag(repository, tag, to: manifest.digest, now: now) }
            try AuditLog(sql).append(
                actor: actor, action: "manifest.push", subject: "\(repository) \(reference.text)",
                detail: .object(["digest": .string(manifest.digest.text)]), now: now)
        }
        var response = Response(
            status: .created,
            headers: [
                .location: "/v2/\(repository)/manifests/\(manifest.digest)", .dockerDigest: manifest.digest.text,
                .contentLength: "0",
            ])
        if let subject = manifest.subject { response.headers[.ociSubject] = subject.text }
        return response
    }

    /// Reads a manifest or an index and finds what it names; throws `MANIFEST_INVALID` or `DIGEST_INVALID`.
    private static func parse(
        _ bytes: [UInt8], _ mediaType: String, _ repository: RepositoryName, _ reference: OCIPath.Reference
    ) throws -> (StoredManifest, [ManifestReference]) {
        var digest = Digest.of(bytes)
        if case .digest(let promised) = reference {
            digest = Digest.of(bytes, promised.algorithm)
            guard digest == promised else {
                throw ServerError(400, "DIGEST_INVALID", "The manifest hashes to \(digest), not to \(promised).")
            }
        }
        var stored = StoredManifest(repository: repository, digest: digest, mediaType: mediaType, bytes: bytes)
        var references: [ManifestReference] = []
        do {
            switch mediaType {
            case MediaType.index:
                let index = try ImageIndex(parsing: bytes)
                stored.artifactType = index.artifactType
                stored.annotations = index.annotations ?? [:]
                stored.subject = index.subject?.digest
                references = index.manifests.map { ManifestReference(digest: $0.digest, isManifest: true) }
            case MediaType.manifest:
                let manifest = try ImageManifest(parsing: bytes)
                stored.artifactType = manifest.effectiveArtifactType
                stored.annotations = manifest.annotations ?? [:]
                stored.subject = manifest.subject?.digest
                references = ([manifest.config] + manifest.layers).map {
                    ManifestReference(digest: $0.digest, isManifest: false)
                }
            default:
                throw ServerError(
                    415, "MANIFEST_INVALID", "\(mediaType.prefix(Limits.quotedValueCharacters)) is not taken here.",
                    remedy: "Push OCI image manifests and indexes.")
            }
        } catch let error as BundleError {
            throw ServerError(400, "MANIFEST_INVALID", error.message, remedy: error.remedy, field: error.field)
        }
        return (stored, Array(Set(references)))
    }

    func deleteManifest(
        _ repository: RepositoryName, _ reference: OCIPath.Reference, _ exchange: Exchange
    ) async throws -> Response {
        let (core, actor) = (core, exchange.actor)
        let wasThere = try await core.database.write { sql in
            let store = ManifestStore(sql)
            let wasThere =
                switch reference {
                case .tag(let tag): try store.deleteTag(repository, tag)
                case .digest(let digest): try store.delete(repository, digest)
                }
            if wasThere {
                try AuditLog(sql).append(
                    actor: actor, action: "manifest.delete", subject: "\(repository) \(reference.text)",
                    now: core.clock())
            }
            return wasThere
        }
        guard wasThere else { throw Self.unknownManifest(reference.text) }
        return Response(status: .accepted)
    }

    private struct TagList: Encodable {
        let name: RepositoryName
        let tags: [String]
    }

    func tags(_ repository: RepositoryName, _ exchange: Exchange) async throws -> Response {
        let count = Int(try exchange.number("n", in: 0...Int64.max) ?? Int64(Limits.pageRows))
        let last = try exchange.query("last") ?? ""
        let limit = min(count, Limits.pageRows)
        // One more than asked for tells whether there is a next page.
        let found = try await core.database.read {
            try ManifestStore($0).tags(repository, after: last, limit: limit + 1)
        }
        guard let found else {
            throw ServerError(404, "NAME_UNKNOWN", "There is no repository \(repository).")
        }
        let tags = Array(found.prefix(limit))
        var response = try Response.json(TagList(name: repository, tags: tags))
        if found.count > limit, let next = tags.last {
            response.headers[.link] =
                "</v2/\(repository)/tags/list?n=\(limit)&last=\(PercentEncoding.encode(next))>; rel=\"next\""
        }
        return response
    }

    /// What is kept beside a manifest. Never 404: of an unknown manifest, or one that may not be seen, it is empty.
    func referrers(
        _ repository: RepositoryName, _ digest: Digest, _ exchange: Exchange, isVisible: Bool = true
    ) async throws -> Response {
        let wanted = try exchange.query("artifactType")
        let all =
            isVisible ? try await core.database.read { try ManifestStore($0).referrers(repository, of: digest) } : []
        let chosen = all.filter { wanted == nil || $0.artifactType == wanted }
        let index = ImageIndex(
            manifests: chosen.map {
                Descriptor(
                    mediaType: $0.mediaType, digest: $0.digest, size: ByteCount($0.bytes.count),
                    artifactType: $0.artifactType,
                    annotations: $0.annotations.isEmpty ? nil : $0.annotations)
            })
        var response = Response.bytes(try JSONText.encode(index), mediaType: MediaType.index)
        if wanted != nil { response.headers[.ociFilters] = "artifactType" }
        return response
    }
}

extension OCIPath.Reference {
    /// As it stands in the path.
    var text: String {
        switch self {
        case .tag(let tag): tag
        case .digest(let digest): digest.text
        }
    }
}
