package import MartletTypes
package import Trust

/// The floors that publishers signed, one for each repository.
package struct FloorStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// The floor of a repository; nil where it has none, or nothing is published in it.
    package func floor(of repository: RepositoryName) throws -> ReleaseFloor? {
        let row = try sql.first(
            "SELECT floor, floor_number, floor_reason FROM repositories WHERE name = ?", [.text(repository)])
        guard let row, let version: SemanticVersion = try row.optionalName("floor") else { return nil }
        return ReleaseFloor(
            version: version, number: try row.integer("floor_number"),
            reason: try row.optionalText("floor_reason") ?? "")
    }

    /// Sets the floor of a repository. Throws `notFound` where nothing was ever published in it, `versionConflict`
    /// where its number is not above the known one's.
    package func set(_ floor: ReleaseFloor, of repository: RepositoryName) throws {
        if let known = try self.floor(of: repository), floor.number <= known.number {
            throw StoreError(
                .versionConflict, "The floor of \(repository) has number \(known.number); \(floor.number) is not above."
            )
        }
        let changed = try sql.execute(
            "UPDATE repositories SET floor = ?, floor_number = ?, floor_reason = ? WHERE name = ?",
            [.text(floor.version), .integer(floor.number), .text(floor.reason), .text(repository)])
        guard changed > 0 else { throw StoreError(.notFound, "Nothing is published in \(repository).") }
    }
}
