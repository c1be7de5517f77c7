internal import MartletTypes

/// Which journal a device has, kept beside it, so that one made anew goes on as the one before.
///
/// The registry takes a second journal with one certificate for a copy of the box, and holds the device until somebody
/// goes there and enrols it anew. So a lost journal must not look like one. Not with the keys: who copies those alone
/// is still found out.
struct JournalOrigin: Sendable, Hashable, Codable {
    let identity: JournalID
    /// How often the journal was made anew.
    var epoch: Int64

    /// What its reports and measurements are numbered above. Those before the loss are not known, and the registry
    /// drops what bears a number that it has had.
    var floor: Int64 { epoch << Self.epochBits }

    /// Where a journal that can be read stands.
    init(of journal: Journal) async throws(AgentStoreError) {
        identity = journal.identity
        epoch = try await journal.highestSequence() >> Self.epochBits
    }

    /// Nil where it is not there or cannot be read: a journal made anew is a stranger's then.
    static func read(_ layout: StoreLayout, _ files: any FileSystem) -> JournalOrigin? {
        do {
            let bytes = try files.contents(of: layout.journalOrigin)
            return try bytes.map { try JSONText.decode(JournalOrigin.self, from: $0) }
        } catch {
            return nil
        }
    }

    func write(_ layout: StoreLayout, _ files: any FileSystem) throws {
        try files.writeAtomically(JSONText.encode(self), to: layout.journalOrigin)
    }

    /// Of a journal that was made anew after this one, or with none before it.
    static func next(_ origin: JournalOrigin?, for journal: Journal) async throws(AgentStoreError) -> JournalOrigin {
        guard var next = origin, next.identity == journal.identity else { return try await JournalOrigin(of: journal) }
        next.epoch += 1
        return next
    }

    /// What the identity of a journal made anew is made of.
    static func bytes(_ origin: JournalOrigin?) -> [UInt8] {
        origin.flatMap { Hex.decode($0.identity.text) } ?? Journal.randomIdentity()
    }

    /// More reports than a device sends in a thousand years, and few enough bits for numbers that JSON holds exactly.
    private static let epochBits: Int64 = 36
}

extension Journal {
    /// The highest number that a report or measurement has had.
    func highestSequence() throws(AgentStoreError) -> Int64 {
        try database.rows("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence") { $0.integer(0) }.first ?? 0
    }

    /// Numbers reports and measurements above `floor`; only in a journal that has had none.
    func startSequences(above floor: Int64) throws(AgentStoreError) {
        guard floor > 0 else { return }
        for table in ["report", "telemetry"] {
            try database.execute("DELETE FROM sqlite_sequence WHERE name = ?", [.text(table)])
            try database.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [.text(table), .integer(floor)])
        }
    }
}
