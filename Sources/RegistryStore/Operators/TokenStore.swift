package import MartletTypes

/// An operator's token, without its secret.
package struct TokenRow: Sendable, Hashable {
    package var id: String
    /// Who holds it; stands in the audit log.
    package var name: String
    /// `viewer`, `publisher`, `operator` or `admin`.
    package var role: String
    /// The only namespaces that it concerns; nil is all.
    package var namespaces: [String]?
    /// The only fleets that it concerns; nil is all devices.
    package var fleets: [FleetName]?
    package var created: Timestamp
    package var expires: Timestamp?

    package init(
        id: String, name: String, role: String, namespaces: [String]? = nil, fleets: [FleetName]? = nil,
        created: Timestamp, expires: Timestamp? = nil
    ) {
        self.id = id
        self.name = name
        self.role = role
        self.namespaces = namespaces
        self.fleets = fleets
        self.created = created
        self.expires = expires
    }
}

/// The hash by which a secret is known. A secret has at least 128 random bits, so a plain hash cannot be guessed back.
package enum SecretHash {
    /// SHA-256 of the secret's UTF-8 in hexadecimal.
    package static func of(_ secret: String) -> String { Digest.of(Array(secret.utf8)).hex }

    /// Compares without telling by its time how much is equal.
    package static func equal(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}

/// Operators' tokens; only hashes of the secrets are here.
package struct TokenStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps a new token; throws `alreadyExists` where the name is taken.
    package func create(_ token: TokenRow, secret: String) throws {
        guard try sql.first("SELECT id FROM tokens WHERE name = ?", [.text(token.name)]) == nil else {
            throw StoreError(.alreadyExists, "There is a token named \(token.name).")
        }
        try sql.execute(
            """
            INSERT INTO tokens (id, name, role, namespaces, fleets, secret_hash, created, expires)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(token.id), .text(token.name), .text(token.role),
                try token.namespaces.map { try .json($0) } ?? .null, try token.fleets.map { try .json($0) } ?? .null,
                .text(SecretHash.of(secret)), .time(token.created), .time(token.expires),
            ])
    }

    /// The token that has this secret, also where its time is over; nil for any other secret.
    package func find(secret: String) throws -> TokenRow? {
        let hash = SecretHash.of(secret)
        guard let row = try sql.first("SELECT * FROM tokens WHERE secret_hash = ?", [.text(hash)]),
            SecretHash.equal(try row.text("secret_hash"), hash)
        else { return nil }
        return try Self.token(row)
    }

    /// The token with an identifier, also where its time is over; nil where it was revoked.
    package func find(id: String) throws -> TokenRow? {
        try sql.first("SELECT * FROM tokens WHERE id = ?", [.text(id)]).map(Self.token)
    }

    /// All tokens by name, expired ones too.
    package func list() throws -> [TokenRow] {
        try sql.query("SELECT * FROM tokens ORDER BY name", []).map(Self.token)
    }

    /// Removes a token by its identifier; returns it, nil where there was none.
    package func delete(id: String) throws -> TokenRow? {
        try sql.first("DELETE FROM tokens WHERE id = ? RETURNING *", [.text(id)]).map(Self.token)
    }

    /// How many tokens there are: none means that the first admin token is still to be made.
    package func count() throws -> Int {
        Int(try sql.first("SELECT COUNT(*) AS count FROM tokens", [])?.integer("count") ?? 0)
    }

    private static func token(_ row: SQLRow) throws -> TokenRow {
        TokenRow(
            id: try row.text("id"), name: try row.text("name"), role: try row.text("role"),
            namespaces: try row.optionalJSON("namespaces"), fleets: try row.optionalJSON("fleets"),
            created: try row.time("created"), expires: try row.optionalTime("expires"))
    }
}
