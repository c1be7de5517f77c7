package import MartletTypes

/// A change of signed roles that waits for signatures. What the document says is the server's to know.
package struct ProposalRow: Sendable, Hashable {
    package var id: String
    /// The namespace that it changes; nil where it needs the owner.
    package var namespace: String?
    package var note: String
    package var document: JSONValue
    package var created: Timestamp
    package var createdBy: String

    package init(
        id: String, namespace: String?, note: String, document: JSONValue, created: Timestamp, createdBy: String
    ) {
        self.id = id
        self.namespace = namespace
        self.note = note
        self.document = document
        self.created = created
        self.createdBy = createdBy
    }
}

/// Changes that wait for signatures.
package struct ProposalStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps a new one; throws `tooMany` where `StoreLimits.openProposals` wait already.
    package func create(_ row: ProposalRow) throws {
        guard try count() < StoreLimits.openProposals else {
            throw StoreError(.tooMany, "\(StoreLimits.openProposals) changes wait for signatures already.")
        }
        try sql.execute(
            """
            INSERT INTO proposals (id, namespace, note, document, created, created_by) VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                .text(row.id), row.namespace.map { .text($0) } ?? .null, .text(SQLValue.storable(row.note)),
                try .json(row.document), .time(row.created), .text(row.createdBy),
            ])
    }

    /// Replaces what one says; returns whether it was there.
    package func update(_ id: String, _ document: JSONValue) throws -> Bool {
        try sql.execute("UPDATE proposals SET document = ? WHERE id = ?", [try .json(document), .text(id)]) > 0
    }

    /// Removes one; returns whether it was there.
    package func delete(_ id: String) throws -> Bool {
        try sql.execute("DELETE FROM proposals WHERE id = ?", [.text(id)]) > 0
    }

    /// One of them; nil where it is not there.
    package func find(_ id: String) throws -> ProposalRow? {
        try sql.first("SELECT * FROM proposals WHERE id = ?", [.text(id)]).map(Self.row)
    }

    /// All, oldest first.
    package func list() throws -> [ProposalRow] {
        try sql.query("SELECT * FROM proposals ORDER BY created, id", []).map(Self.row)
    }

    /// How many wait.
    package func count() throws -> Int {
        Int(try sql.first("SELECT COUNT(*) AS number FROM proposals", [])?.integer("number") ?? 0)
    }

    private static func row(_ row: SQLRow) throws -> ProposalRow {
        ProposalRow(
            id: try row.text("id"), namespace: try row.optionalText("namespace"), note: try row.text("note"),
            document: try row.json("document"), created: try row.time("created"), createdBy: try row.text("created_by"))
    }
}
