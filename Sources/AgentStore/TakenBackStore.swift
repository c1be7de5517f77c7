internal import MartletTypes
internal import Synchronization
package import Trust

/// The memory of what publishers took back: in the journal and in a file of its own, so that neither a lost journal nor
/// a lost file lets an old release return.
package final class TakenBackStore: Sendable {
    private let journal: Journal
    private let files: any FileSystem
    private let path: String
    private let known: Mutex<TakenBack>
    /// Writes one after the other, so that an older state never comes last.
    private let turn = WriteTurn()

    /// Reads both copies; what one of them has lost the other has.
    init(journal: Journal, files: any FileSystem, path: String) async throws {
        self.journal = journal
        self.files = files
        self.path = path
        var merged = TakenBack()
        var copies: [TakenBack] = []
        for bytes in [try await journal.fact(Self.fact), Self.file(path, files)] {
            guard let bytes, let copy = Self.read(bytes) else { continue }
            copies.append(copy)
            merged.merge(copy)
        }
        known = Mutex(merged)
        let isWhole = copies.count == 2 && copies.allSatisfy { $0 == merged }
        guard !isWhole, merged != TakenBack() else { return }
        do {
            try await write(merged)
        } catch {
            // One copy is there; that the disk takes no other stops installations, and serving is not for it to stop.
            return
        }
    }

    /// What is known now.
    package var current: TakenBack { known.withLock { $0 } }

    /// Changes what is known, on the disk before it counts; returns whether it changed.
    ///
    /// Throws `limitReached` where more is taken back than a device keeps in mind: then nothing new is installed.
    @discardableResult
    package func update(_ change: @Sendable (inout TakenBack) -> Void) async throws -> Bool {
        try await turn.take {
            var next = self.current
            change(&next)
            guard next != self.current else { return false }
            guard next.floors.count + next.yanked.count <= AgentStoreLimits.takenBack else {
                throw AgentStoreError(
                    .malformed, "More than \(AgentStoreLimits.takenBack) floors and withdrawn releases.")
            }
            try await self.write(next)
            let written = next
            self.known.withLock { $0 = written }
            return true
        }
    }

    private func write(_ next: TakenBack) async throws {
        let bytes = try JSONText.encode(next)
        try await journal.setFact(Self.fact, bytes)
        try files.writeAtomically(bytes, to: path)
    }

    private static let fact = "takenBack"

    /// A copy that the disk does not give back is as good as none.
    private static func file(_ path: String, _ files: any FileSystem) -> [UInt8]? {
        do { return try files.contents(of: path, limit: AgentStoreLimits.documentBytes) } catch { return nil }
    }

    private static func read(_ bytes: [UInt8]) -> TakenBack? {
        do { return try JSONText.decode(TakenBack.self, from: bytes) } catch { return nil }
    }
}

/// Lets one body run at a time, across its awaits.
private actor WriteTurn {
    private var turn = Turn()

    func take<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        if !turn.take() { await withCheckedContinuation { turn.wait($0) } }
        defer { turn.give() }
        return try await body()
    }
}
