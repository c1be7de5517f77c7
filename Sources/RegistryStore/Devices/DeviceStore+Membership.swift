internal import MartletTypes

/// Which devices came to match selectors since somebody looked last.
extension DeviceStore {
    /// The active devices whose labels or state changed after `mark`, and the newest mark. Cheap where none did.
    package func members(changedSince mark: Int64) throws -> (devices: [DeviceRow], mark: Int64) {
        let newest = try sql.first("SELECT value FROM counters WHERE name = 'membership'", [])?.integer("value") ?? 0
        guard newest > mark else { return ([], newest) }
        let rows = try sql.query(
            "SELECT * FROM devices WHERE membership > ? AND state = 'active' ORDER BY device", [.integer(mark)])
        return (try rows.map(DeviceRow.row), newest)
    }

    /// Says that what selects a device may have changed.
    func noteMembership(_ device: DeviceID) throws {
        try sql.execute(
            "UPDATE devices SET membership = ? WHERE device = ?", [.integer(try sql.next("membership")), .text(device)])
    }
}
