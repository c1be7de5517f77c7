internal import GRDB
internal import Synchronization

/// Writes that come while another is at work go together: one transaction, one wait for the disk, for all of them.
///
/// Each body has a savepoint of its own, so one that throws leaves nothing behind and disturbs no other. Nobody is
/// answered before the transaction that holds his rows is durable. Where the database itself fails (a full disk), all
/// of the transaction fail, since none of it is there.
final class WriteTurns: Sendable {
    /// One caller's write.
    private struct Turn: Sendable {
        /// Does the work; returns why it failed, nil where it did not, and what answers the caller once the transaction
        /// is over, with its failure if there is one.
        let work: @Sendable (GRDB.Database) -> (failure: (any Error)?, answer: Answer)
        /// Answers the caller whose work was never begun.
        let fail: @Sendable (any Error) -> Void
    }

    private typealias Answer = @Sendable ((any Error)?) -> Void

    private struct State {
        var waiting: [Turn] = []
        var isAtWork = false
    }

    private let pool: DatabasePool
    private let state = Mutex(State())

    init(pool: DatabasePool) { self.pool = pool }

    /// Runs `body` in a transaction, its own or one that it shares; durable on return.
    func write<Value: Sendable>(_ body: @escaping @Sendable (GRDB.Database) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            add(
                Turn(
                    work: { database in
                        let result = Self.attempt(body, database)
                        var failure: (any Error)?
                        if case .failure(let error) = result { failure = error }
                        return (failure, { continuation.resume(with: $0.map { .failure($0) } ?? result) })
                    }, fail: { continuation.resume(throwing: $0) }))
        }
    }

    private func add(_ turn: Turn) {
        let begins = state.withLock { state in
            state.waiting.append(turn)
            defer { state.isAtWork = true }
            return !state.isAtWork
        }
        guard begins else { return }
        pool.asyncWriteWithoutTransaction { database in
            while let turns = self.take() { Self.commit(turns, database) }
        }
    }

    /// What waits, nil where nothing does and the work is over.
    private func take() -> [Turn]? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.isAtWork = false
                return nil
            }
            let count = min(state.waiting.count, StoreLimits.writesPerTransaction)
            defer { state.waiting.removeFirst(count) }
            return Array(state.waiting.prefix(count))
        }
    }

    private static func commit(_ turns: [Turn], _ database: GRDB.Database) {
        var answers: [Answer] = []
        var failure: (any Error)?
        do {
            try database.inTransaction {
                for turn in turns {
                    let (error, answer) = turn.work(database)
                    answers.append(answer)
                    // Where the disk is full SQLite gives up the whole transaction, not a savepoint of it.
                    guard database.isInsideTransaction else {
                        throw error ?? DatabaseError(resultCode: .SQLITE_ABORT)
                    }
                }
                return .commit
            }
        } catch {
            failure = error
        }
        for answer in answers { answer(failure) }
        for turn in turns.dropFirst(answers.count) {
            turn.fail(failure ?? DatabaseError(resultCode: .SQLITE_ABORT))
        }
    }

    private static func attempt<Value: Sendable>(
        _ body: (GRDB.Database) throws -> Value, _ database: GRDB.Database
    ) -> Result<Value, any Error> {
        do {
            var value: Value?
            try database.inSavepoint {
                value = try body(database)
                return .commit
            }
            guard let value else { throw DatabaseError(resultCode: .SQLITE_INTERNAL) }
            return .success(value)
        } catch {
            return .failure(error)
        }
    }
}
