package import MartletTypes

/// A manifest or index as it was pushed, byte for byte.
package struct StoredManifest: Sendable, Hashable {
    package var repository: RepositoryName
    package var digest: Digest
    package var mediaType: String
    /// `artifactType`, or the config's media type where the manifest has none.
    package var artifactType: String?
    /// The manifest's annotations, which a referrers list copies.
    package var annotations: [String: String]
    /// The manifest that this one is about.
    package var subject: Digest?
    package var bytes: [UInt8]

    package init(
        repository: RepositoryName, digest: Digest, mediaType: String, artifactType: String? = nil,
        annotations: [String: String] = [:], subject: Digest? = nil, bytes: [UInt8]
    ) {
        self.repository = repository
        self.digest = digest
        self.mediaType = mediaType
        self.artifactType = artifactType
        self.annotations = annotations
        self.subject = subject
        self.bytes = bytes
    }
}

/// What a manifest names.
package struct ManifestReference: Sendable, Hashable {
    package var digest: Digest
    /// Whether it names a manifest (an index's entry) and not a blob.
    package var isManifest: Bool

    package init(digest: Digest, isManifest: Bool) {
        self.digest = digest
        self.isManifest = isManifest
    }
}

/// The OCI part: manifests, tags, and which repository has which blob.
package struct ManifestStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps a manifest; returns false where it was there. Throws `notFound` naming the first reference that the
    /// repository does not have, so that no manifest promises what cannot be pulled.
    @discardableResult
    package func put(_ manifest: StoredManifest, references: [ManifestReference], now: Timestamp) throws -> Bool {
        for reference in references {
            let isHere =
                try reference.isManifest
                ? exists(manifest.repository, reference.digest) : blobSize(manifest.repository, reference.digest) != nil
            guard isHere else {
                throw StoreError(
                    .notFound,
                    "\(manifest.repository) has no \(reference.isManifest ? "manifest" : "blob") \(reference.digest).")
            }
        }
        let added = try sql.execute(
            """
            INSERT INTO manifests (repository, digest, media_type, artifact_type, annotations, subject, bytes, pushed)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (repository, digest) DO NOTHING
            """,
            [
                .text(manifest.repository), .text(manifest.digest), .text(manifest.mediaType),
                .optional(manifest.artifactType), try .json(manifest.annotations), .text(manifest.subject),
                .blob(manifest.bytes), .time(now),
            ])
        guard added > 0 else { return false }
        for reference in Set(references) {
            try sql.execute(
                """
                INSERT INTO manifest_references (repository, manifest, digest, is_manifest) VALUES (?, ?, ?, ?)
                ON CONFLICT (repository, manifest, digest) DO NOTHING
                """,
                [
                    .text(manifest.repository), .text(manifest.digest), .text(reference.digest),
                    .flag(reference.isManifest),
                ])
        }
        return true
    }

    /// A manifest by its digest.
    package func find(_ repository: RepositoryName, _ digest: Digest) throws -> StoredManifest? {
        try sql.first(
            "SELECT * FROM manifests WHERE repository = ? AND digest = ?", [.text(repository), .text(digest)]
        )
        .map(Self.manifest)
    }

    /// A manifest by its tag.
    package func find(_ repository: RepositoryName, tag: String) throws -> StoredManifest? {
        try sql.first(
            """
            SELECT manifests.* FROM manifests
            JOIN tags ON tags.repository = manifests.repository AND tags.digest = manifests.digest
            WHERE tags.repository = ? AND tags.tag = ?
            """, [.text(repository), .text(tag)]
        ).map(Self.manifest)
    }

    /// Whether the repository has a manifest.
    package func exists(_ repository: RepositoryName, _ digest: Digest) throws -> Bool {
        try sql.first(
            "SELECT 1 AS one FROM manifests WHERE repository = ? AND digest = ?", [.text(repository), .text(digest)])
            != nil
    }

    /// What a manifest names.
    package func references(_ repository: RepositoryName, of manifest: Digest) throws -> [ManifestReference] {
        try sql.query(
            "SELECT digest, is_manifest FROM manifest_references WHERE repository = ? AND manifest = ? ORDER BY digest",
            [.text(repository), .text(manifest)]
        ).map { ManifestReference(digest: try $0.name("digest"), isManifest: try $0.flag("is_manifest")) }
    }

    /// The manifests about `subject`, oldest first.
    package func referrers(_ repository: RepositoryName, of subject: Digest) throws -> [StoredManifest] {
        try sql.query(
            "SELECT * FROM manifests WHERE repository = ? AND subject = ? ORDER BY pushed, digest",
            [.text(repository), .text(subject)]
        ).map(Self.manifest)
    }

    /// What a digest is about: the subject of the manifest that it names, or of those that have it as a blob.
    package func subjects(_ repository: RepositoryName, of digest: Digest) throws -> [Digest] {
        try sql.query(
            """
            SELECT subject FROM manifests WHERE repository = ? AND digest = ? AND subject IS NOT NULL
            UNION SELECT manifests.subject FROM manifest_references
            JOIN manifests ON manifests.repository = manifest_references.repository
                AND manifests.digest = manifest_references.manifest
            WHERE manifest_references.repository = ? AND manifest_references.digest = ?
                AND manifests.subject IS NOT NULL
            ORDER BY subject LIMIT ?
            """,
            [
                .text(repository), .text(digest), .text(repository), .text(digest),
                .integer(Int64(StoreLimits.subjectsOfDigest)),
            ]
        ).map { try $0.name("subject") }
    }

    /// Points a tag at a manifest that is there.
    package func setTag(_ repository: RepositoryName, _ tag: String, to digest: Digest, now: Timestamp) throws {
        try sql.execute(
            """
            INSERT INTO tags (repository, tag, digest, updated) VALUES (?, ?, ?, ?)
            ON CONFLICT (repository, tag) DO UPDATE SET digest = excluded.digest, updated = excluded.updated
            """, [.text(repository), .text(tag), .text(digest), .time(now)])
    }

    /// Tags in byte order after `last`; nil where the repository is unknown.
    package func tags(_ repository: RepositoryName, after last: String = "", limit: Int) throws -> [String]? {
        let tags = try sql.query(
            "SELECT tag FROM tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?",
            [.text(repository), .text(last), .integer(Int64(limit))]
        ).map { try $0.text("tag") }
        if !tags.isEmpty { return tags }
        let isKnown = try sql.first(
            """
            SELECT 1 AS one FROM manifests WHERE repository = ?
            UNION ALL SELECT 1 AS one FROM repository_blobs WHERE repository = ? LIMIT 1
            """, [.text(repository), .text(repository)])
        return isKnown == nil ? nil : []
    }

    /// Removes a tag; returns whether it was there.
    package func deleteTag(_ repository: RepositoryName, _ tag: String) throws -> Bool {
        try sql.execute("DELETE FROM tags WHERE repository = ? AND tag = ?", [.text(repository), .text(tag)]) > 0
    }

    /// Removes a manifest with its tags; returns whether it was there. Throws `conflict` where a release or an index
    /// needs it.
    package func delete(_ repository: RepositoryName, _ digest: Digest) throws -> Bool {
        let user = try sql.first(
            """
            SELECT version AS user FROM release_objects WHERE repository = ? AND digest = ?
            UNION ALL SELECT manifest AS user FROM manifest_references WHERE repository = ? AND digest = ? LIMIT 1
            """, [.text(repository), .text(digest), .text(repository), .text(digest)])
        if let user {
            throw StoreError(.conflict, "\(repository) \(try user.text("user")) needs manifest \(digest).")
        }
        return try sql.execute(
            "DELETE FROM manifests WHERE repository = ? AND digest = ?", [.text(repository), .text(digest)]) > 0
    }

    private static func manifest(_ row: SQLRow) throws -> StoredManifest {
        StoredManifest(
            repository: try row.name("repository"), digest: try row.name("digest"),
            mediaType: try row.text("media_type"),
            artifactType: try row.optionalText("artifact_type"),
            annotations: try row.optionalJSON("annotations") ?? [:], subject: try row.optionalName("subject"),
            bytes: try row.blob("bytes"))
    }
}

extension ManifestStore {
    /// Notes that a repository has a blob.
    package func addBlob(_ repository: RepositoryName, _ digest: Digest, size: ByteCount, now: Timestamp) throws {
        try sql.execute(
            """
            INSERT INTO repository_blobs (repository, digest, size, added) VALUES (?, ?, ?, ?)
            ON CONFLICT (repository, digest) DO NOTHING
            """, [.text(repository), .text(digest), .integer(size.bytes), .time(now)])
    }

    /// Every blob of every repository, with its length.
    package func allBlobs() throws -> [Digest: ByteCount] {
        try sql.query("SELECT DISTINCT digest, size FROM repository_blobs", []).reduce(into: [:]) { blobs, row in
            blobs[try row.name("digest")] = ByteCount(try row.integer("size"))
        }
    }

    /// The length of a repository's blob; nil where it does not have it, even if another does.
    package func blobSize(_ repository: RepositoryName, _ digest: Digest) throws -> ByteCount? {
        try sql.first(
            "SELECT size FROM repository_blobs WHERE repository = ? AND digest = ?", [.text(repository), .text(digest)]
        ).map { ByteCount(try $0.integer("size")) }
    }

    /// Gives a repository a blob of another one without a byte moved; nil where `source` does not have it. The caller
    /// has checked that whoever asks may read `source`.
    package func mount(
        _ digest: Digest, from source: RepositoryName, to target: RepositoryName, now: Timestamp
    ) throws -> ByteCount? {
        guard let size = try blobSize(source, digest) else { return nil }
        try addBlob(target, digest, size: size, now: now)
        return size
    }

    /// Takes a blob from a repository; returns whether it had it. Throws `conflict` where a manifest needs it.
    package func removeBlob(_ repository: RepositoryName, _ digest: Digest) throws -> Bool {
        let user = try sql.first(
            "SELECT manifest FROM manifest_references WHERE repository = ? AND digest = ?",
            [.text(repository), .text(digest)])
        if let user {
            throw StoreError(.conflict, "Manifest \(try user.text("manifest")) needs blob \(digest).")
        }
        return try sql.execute(
            "DELETE FROM repository_blobs WHERE repository = ? AND digest = ?", [.text(repository), .text(digest)]) > 0
    }

    /// Whether any repository has a blob: only what none has may leave the blob store.
    package func isBlobUsed(_ digest: Digest) throws -> Bool {
        try sql.first("SELECT 1 AS one FROM repository_blobs WHERE digest = ? LIMIT 1", [.text(digest)]) != nil
    }
}
