package import MartletTypes

/// A fleet: a stored selector.
package struct FleetRow: Sendable, Hashable {
    package var name: FleetName
    package var selector: LabelSelector

    package init(name: FleetName, selector: LabelSelector) {
        self.name = name
        self.selector = selector
    }
}

/// Fleets by name.
package struct FleetStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Makes a fleet or changes its selector; a rollout that has begun keeps the devices it began with.
    package func put(_ fleet: FleetRow, now: Timestamp) throws {
        try sql.execute(
            """
            INSERT INTO fleets (name, selector, updated) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET selector = excluded.selector, updated = excluded.updated
            """, [.text(fleet.name), .text(fleet.selector), .time(now)])
    }

    /// A fleet by its name.
    package func find(_ name: FleetName) throws -> FleetRow? {
        try sql.first("SELECT * FROM fleets WHERE name = ?", [.text(name)]).map(Self.fleet)
    }

    /// All fleets by name.
    package func list() throws -> [FleetRow] {
        try sql.query("SELECT * FROM fleets ORDER BY name", []).map(Self.fleet)
    }

    /// Removes a fleet; returns whether it was there.
    package func delete(_ name: FleetName) throws -> Bool {
        try sql.execute("DELETE FROM fleets WHERE name = ?", [.text(name)]) > 0
    }

    private static func fleet(_ row: SQLRow) throws -> FleetRow {
        FleetRow(name: try row.name("name"), selector: try row.name("selector"))
    }
}
