internal import MartletTypes

/// What a database that was restored from a backup must change before it serves.
package struct RestoreStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Raises every assignment number by `stride`, with the generations of the slots, so that no device takes what is
    /// assigned now for something that it has seen. Forgets what may have been used since the backup: join tokens,
    /// nonces, leases, and the answers that were kept for repeated requests.
    package func goOn(by stride: Int64) throws {
        try sql.execute("UPDATE devices SET assignment = assignment + ?", [.integer(stride)])
        try sql.execute(
            """
            UPDATE desired_slots SET generation =
                (SELECT assignment FROM devices WHERE devices.device = desired_slots.device)
            """, [])
        for table in ["join_tokens", "renewal_nonces", "leases", "idempotency"] {
            try sql.execute("DELETE FROM \(table)", [])
        }
    }
}
