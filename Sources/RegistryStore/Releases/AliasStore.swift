package import MartletTypes

/// A movable name and where it points.
package struct AliasRow: Sendable, Hashable {
    package var repository: RepositoryName
    package var name: AliasName
    package var version: SemanticVersion

    package init(repository: RepositoryName, name: AliasName, version: SemanticVersion) {
        self.repository = repository
        self.name = name
        self.version = version
    }
}

/// Aliases of releases.
package struct AliasStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Points an alias at a release; throws `notFound` where there is no such release.
    package func set(_ alias: AliasRow, now: Timestamp) throws {
        let path = ReleasePath(repository: alias.repository, version: alias.version)
        guard try ReleaseStore(sql).find(path) != nil else {
            throw StoreError(.notFound, "There is no release \(path.reference).")
        }
        try sql.execute(
            """
            INSERT INTO aliases (repository, alias, version, updated) VALUES (?, ?, ?, ?)
            ON CONFLICT (repository, alias) DO UPDATE SET version = excluded.version, updated = excluded.updated
            """, [.text(alias.repository), .text(alias.name), .text(alias.version), .time(now)])
    }

    /// The release that an alias points at; nil where there is no such alias.
    package func resolve(_ repository: RepositoryName, _ name: AliasName) throws -> ReleasePath? {
        try sql.first(
            "SELECT version FROM aliases WHERE repository = ? AND alias = ?", [.text(repository), .text(name)]
        )
        .map { ReleasePath(repository: repository, version: try $0.name("version")) }
    }

    /// The aliases of one repository or of all, in byte order.
    package func list(_ repository: RepositoryName? = nil) throws -> [AliasRow] {
        let rows =
            if let repository {
                try sql.query("SELECT * FROM aliases WHERE repository = ? ORDER BY alias", [.text(repository)])
            } else {
                try sql.query("SELECT * FROM aliases ORDER BY repository, alias", [])
            }
        return try rows.map {
            AliasRow(repository: try $0.name("repository"), name: try $0.name("alias"), version: try $0.name("version"))
        }
    }

    /// Removes an alias; returns whether it was there.
    package func delete(_ repository: RepositoryName, _ name: AliasName) throws -> Bool {
        try sql.execute("DELETE FROM aliases WHERE repository = ? AND alias = ?", [.text(repository), .text(name)]) > 0
    }

    /// The aliases that point at a release.
    func aliases(of path: ReleasePath) throws -> [AliasName] {
        try sql.query(
            "SELECT alias FROM aliases WHERE repository = ? AND version = ? ORDER BY alias",
            [.text(path.repository), .text(path.version)]
        ).map { try $0.name("alias") }
    }
}
