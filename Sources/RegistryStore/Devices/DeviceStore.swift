package import MartletTypes

/// Devices: enrolment, certificates, journals, labels, inventory.
package struct DeviceStore {
    let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Takes a device in, or the same box again; its assignment number goes on.
    ///
    /// With `replaces` another box takes the name over: the former one's certificates are refused from now on. Throws
    /// `alreadyExists` where a box has the name and this is neither a replacement nor that box, active or waiting.
    package func enrol(
        _ device: DeviceID, labels: Labels, certificate: DeviceCertificate, journal: JournalID,
        state: DeviceState = .active, replaces: Bool = false, now: Timestamp
    ) throws {
        var state = state
        if let known = try find(device) {
            if replaces {
                try refuseCertificates(of: device, now: now)
            } else {
                guard known.journal == journal, known.state == .active || known.state == .pending else {
                    throw StoreError(.alreadyExists, "The name \(device) belongs to another box.")
                }
                // Asking again does not spare the approval.
                if known.state == .pending { state = .pending }
            }
        }
        try sql.execute(
            """
            INSERT INTO devices (device, labels, state, enrolled, journal, certificate_expires)
            VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (device) DO UPDATE SET labels = excluded.labels, state = excluded.state, state_reason = NULL,
                enrolled = excluded.enrolled, journal = excluded.journal,
                certificate_expires = excluded.certificate_expires
            """,
            [
                .text(device), try .json(labels), .text(state.rawValue), .time(now), .text(journal),
                .time(certificate.expires),
            ])
        try addCertificate(certificate, to: device)
        try expect(journal, of: device, now: now)
        try noteMembership(device)
    }

    /// Gives a known device a further certificate (renewal).
    package func renew(_ device: DeviceID, certificate: DeviceCertificate) throws {
        let changed = try sql.execute(
            "UPDATE devices SET certificate_expires = ? WHERE device = ?", [.time(certificate.expires), .text(device)])
        guard changed > 0 else { throw Self.unknown(device) }
        try addCertificate(certificate, to: device)
    }

    /// A device by its name.
    package func find(_ device: DeviceID) throws -> DeviceRow? {
        try sql.first("SELECT \(DeviceRow.columns) FROM devices WHERE device = ?", [.text(device)]).map(DeviceRow.row)
    }

    /// The device to which a certificate was given, whatever its state, and the certificate.
    package func find(fingerprint: String) throws -> (device: DeviceRow, certificate: DeviceCertificate)? {
        try sql.first(
            """
            SELECT \(DeviceRow.columns), fingerprint, issued, expires, revoked FROM device_certificates
            JOIN devices ON devices.device = device_certificates.device WHERE fingerprint = ?
            """, [.text(fingerprint)]
        ).map {
            let certificate = DeviceCertificate(
                fingerprint: try $0.text("fingerprint"), issued: try $0.time("issued"), expires: try $0.time("expires"),
                revoked: try $0.optionalTime("revoked"))
            return (try DeviceRow.row($0), certificate)
        }
    }

    /// Devices by name after `last`, those that were revoked too.
    package func list(after last: DeviceID? = nil, limit: Int = Limits.pageRows) throws -> [DeviceRow] {
        try sql.query(
            "SELECT \(DeviceRow.columns) FROM devices WHERE device > ? ORDER BY device LIMIT ?",
            [.text(last?.text ?? ""), .integer(Int64(limit))]
        ).map(DeviceRow.row)
    }

    /// The active devices that a selector matches, by name.
    package func members(of selector: LabelSelector) throws -> [DeviceRow] {
        try sql.query("SELECT \(DeviceRow.columns) FROM devices WHERE state = 'active' ORDER BY device", [])
            .map(DeviceRow.row)
            .filter { selector.matches($0.labels) }
    }

    /// How many devices there are, and how many were seen since `moment`.
    package func count(seenSince moment: Timestamp) throws -> (all: Int, seen: Int) {
        let row = try sql.first(
            """
            SELECT COUNT(*) AS everyone, COUNT(CASE WHEN last_seen >= ? THEN 1 END) AS seen
            FROM devices WHERE state <> 'revoked'
            """, [.time(moment)])
        return (Int(try row?.integer("everyone") ?? 0), Int(try row?.integer("seen") ?? 0))
    }

    /// How many active devices were not seen since `moment`; those that joined after it are not silent yet.
    package func silentCount(since moment: Timestamp) throws -> Int {
        let row = try sql.first(
            "SELECT COUNT(*) AS c FROM devices WHERE state = 'active' AND COALESCE(last_seen, enrolled) < ?",
            [.time(moment)])
        return Int(try row?.integer("c") ?? 0)
    }

    /// New labels; throws `notFound`.
    package func setLabels(_ device: DeviceID, _ labels: Labels) throws {
        guard try sql.execute("UPDATE devices SET labels = ? WHERE device = ?", [try .json(labels), .text(device)]) > 0
        else { throw Self.unknown(device) }
        try noteMembership(device)
    }

    /// Approves, holds or releases a device; throws `notFound`.
    package func setState(_ device: DeviceID, _ state: DeviceState, reason: String?) throws {
        let changed = try sql.execute(
            "UPDATE devices SET state = ?, state_reason = ? WHERE device = ?",
            [.text(state.rawValue), .optional(reason), .text(device)])
        guard changed > 0 else { throw Self.unknown(device) }
        try noteMembership(device)
    }

    /// Refuses all of a device's certificates from the next request on; throws `notFound`.
    package func revoke(_ device: DeviceID, reason: String, now: Timestamp) throws {
        try setState(device, .revoked, reason: reason)
        try refuseCertificates(of: device, now: now)
    }

    private func refuseCertificates(of device: DeviceID, now: Timestamp) throws {
        try sql.execute(
            "UPDATE device_certificates SET revoked = ? WHERE device = ? AND revoked IS NULL",
            [.time(now), .text(device)])
    }

    /// Forgets a device with all its rows; returns whether it was there.
    package func delete(_ device: DeviceID) throws -> Bool {
        try sql.execute("DELETE FROM devices WHERE device = ?", [.text(device)]) > 0
    }

    /// Notes when devices were last heard of; called for some hundred at once, since one write for each poll would cost
    /// more than the poll.
    package func touch(_ seen: [DeviceID: Timestamp]) throws {
        try SilenceStore(sql).end(seen)
        for (device, time) in seen {
            try sql.execute(
                "UPDATE devices SET last_seen = ? WHERE device = ? AND (last_seen IS NULL OR last_seen < ?)",
                [.time(time), .text(device), .time(time)])
        }
    }

    /// Whether a journal is the one that belongs to the device. A foreign one is remembered and the device held: two
    /// boxes use one certificate.
    package func noteJournal(_ device: DeviceID, _ journal: JournalID, now: Timestamp) throws -> Bool {
        guard let row = try find(device) else { throw Self.unknown(device) }
        if row.journal == journal { return true }
        let known =
            try sql.first(
                "SELECT COUNT(*) AS count FROM device_journals WHERE device = ?", [.text(device)])?.integer("count")
            ?? 0
        if known < Int64(StoreLimits.journalsPerDevice) {
            try sql.execute(
                """
                INSERT INTO device_journals (device, journal, is_expected, first_seen) VALUES (?, ?, 0, ?)
                ON CONFLICT (device, journal) DO NOTHING
                """, [.text(device), .text(journal), .time(now)])
        }
        if row.state == .active {
            let reason = "its certificate is used by two journals: was the card cloned?"
            try setState(device, .held, reason: reason)
            try AuditLog(sql).append(
                actor: "registry", action: "device.hold", subject: device.text,
                detail: .object(["reason": .string(reason), "journal": .string(journal.text)]), now: now)
            try ChangeLog(sql).append(topic: .device, [device.text])
        }
        return false
    }

    /// Keeps an inventory and what it says about the slots; throws `notFound`.
    package func setInventory(_ device: DeviceID, _ inventory: InventoryRow, now: Timestamp) throws {
        let changed = try sql.execute(
            "UPDATE devices SET profile = ?, agent_version = ?, inventory_time = ? WHERE device = ?",
            [.text(inventory.profile), .text(inventory.agentVersion), .time(now), .text(device)])
        guard changed > 0 else { throw Self.unknown(device) }
        try sql.execute(
            """
            INSERT INTO device_inventories (device, document) VALUES (?, ?)
            ON CONFLICT (device) DO UPDATE SET document = excluded.document
                WHERE device_inventories.document <> excluded.document
            """, [.text(device), try .json(inventory.document)])
        try SlotStore(sql).setReported(device, inventory.slots, now: now)
    }

    /// The hardware profile that a device says it has; nil before its first inventory.
    package func profile(of device: DeviceID) throws -> String? {
        try sql.first("SELECT profile FROM devices WHERE device = ?", [.text(device)])?.optionalText("profile")
    }

    /// The inventory as the device sent it; nil before the first.
    package func inventory(_ device: DeviceID) throws -> JSONValue? {
        try sql.first("SELECT document FROM device_inventories WHERE device = ?", [.text(device)])?.json("document")
    }

    private func addCertificate(_ certificate: DeviceCertificate, to device: DeviceID) throws {
        try sql.execute(
            "INSERT INTO device_certificates (fingerprint, device, issued, expires, revoked) VALUES (?, ?, ?, ?, ?)",
            [
                .text(certificate.fingerprint), .text(device), .time(certificate.issued), .time(certificate.expires),
                .time(certificate.revoked),
            ])
    }

    private func expect(_ journal: JournalID, of device: DeviceID, now: Timestamp) throws {
        try sql.execute("UPDATE device_journals SET is_expected = 0 WHERE device = ?", [.text(device)])
        try sql.execute(
            """
            INSERT INTO device_journals (device, journal, is_expected, first_seen) VALUES (?, ?, 1, ?)
            ON CONFLICT (device, journal) DO UPDATE SET is_expected = 1
            """, [.text(device), .text(journal), .time(now)])
    }

    static func unknown(_ device: DeviceID) -> StoreError { StoreError(.notFound, "There is no device \(device).") }
}
