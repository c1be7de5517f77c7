package import MartletTypes

/// Devices of which nothing is heard: each is told of once, and once more when it is back.
package struct SilenceStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Tells of active devices that were last heard of before `moment`; of at most `limit` at once. Returns how many.
    package func note(before moment: Timestamp, limit: Int, now: Timestamp) throws -> Int {
        let rows = try sql.query(
            """
            SELECT device, last_seen FROM devices WHERE state = 'active' AND last_seen < ?
            AND NOT EXISTS (SELECT 1 FROM device_silences WHERE device_silences.device = devices.device)
            ORDER BY device LIMIT ?
            """, [.time(moment), .integer(Int64(limit))])
        for row in rows {
            let device: DeviceID = try row.name("device")
            let since = try row.time("last_seen")
            try sql.execute(
                "INSERT INTO device_silences (device, since) VALUES (?, ?)", [.text(device), .time(since)])
            try EventLog(sql).append(
                .deviceSilent, subject: device.text, data: .object(["lastSeen": .string(since.description)]),
                scope: try EventMapping(sql).scope(of: device), now: now)
        }
        return rows.count
    }

    /// Tells of those that are heard again.
    func end(_ seen: [DeviceID: Timestamp]) throws {
        guard try sql.first("SELECT device FROM device_silences LIMIT 1", []) != nil else { return }
        for (device, time) in seen.sorted(by: { $0.key.text < $1.key.text }) {
            let row = try sql.first(
                "DELETE FROM device_silences WHERE device = ? AND since < ? RETURNING since",
                [.text(device), .time(time)])
            guard let row else { continue }
            try EventLog(sql).append(
                .deviceBack, subject: device.text,
                data: .object(["silentSince": .string(try row.time("since").description)]),
                scope: try EventMapping(sql).scope(of: device), now: time)
        }
    }
}
