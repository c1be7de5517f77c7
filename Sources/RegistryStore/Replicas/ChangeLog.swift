/// What a change is about.
package enum ChangeTopic: String, Sendable, Codable, CaseIterable {
    /// A device's assignment; the subject is the device.
    case assignment
    /// A rollout; the subject is its identifier.
    case rollout
    /// TUF metadata; the subject is the role.
    case metadata
    /// A device's state or slots, as the dashboard shows them.
    case device
    /// The log of events grew; announced within a process only.
    case event
}

/// The feed by which replicas wake their parked polls: rows under one rising revision.
package struct ChangeLog {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Says that subjects changed, in the transaction that changes them.
    package func append(topic: ChangeTopic, _ subjects: [String]) throws {
        guard !subjects.isEmpty else { return }
        var revision: Int64 = 0
        for subject in subjects {
            revision = try sql.next("changes")
            try sql.execute(
                "INSERT INTO changes (revision, topic, subject) VALUES (?, ?, ?)",
                [.integer(revision), .text(topic.rawValue), .text(subject)])
        }
        try sql.execute("DELETE FROM changes WHERE revision <= ?", [.integer(revision - Int64(StoreLimits.changeRows))])
    }

    /// The newest revision, 0 before the first. Cheap: a replica asks every 250 ms.
    package func revision() throws -> Int64 {
        try sql.first("SELECT value FROM counters WHERE name = 'changes'", [])?.integer("value") ?? 0
    }

    /// What changed after `revision`; nil where that is further back than is kept, so that everyone must wake.
    package func changes(after revision: Int64) throws -> [(revision: Int64, topic: ChangeTopic, subject: String)]? {
        let newest = try self.revision()
        guard newest > revision else { return [] }
        guard newest - revision <= Int64(StoreLimits.changeRows) else { return nil }
        return try sql.query("SELECT * FROM changes WHERE revision > ? ORDER BY revision", [.integer(revision)]).map {
            (try $0.integer("revision"), try $0.choice("topic"), try $0.text("subject"))
        }
    }
}
