import MartletTypes
import RegistryStore
import RolloutEngine
import Synchronization

/// Open rollouts as this process saw them last, so that a report does not read thousands of devices.
///
/// What is kept counts only while version and stamp are those of the database; whoever changes a rollout takes it out
/// first, so that its devices are never copied.
final class OpenRollouts: Sendable {
    /// Rollouts kept at once; beyond it the one that was used longest ago goes. A rollout of 10,000 devices is 2 MB.
    static let most = 32

    private struct State {
        var rows: [RolloutID: RolloutRow] = [:]
        /// The order of use, the newest last.
        var order: [RolloutID] = []
    }

    private let state = Mutex(State())

    /// Takes a rollout out, if it is still the one that the database has.
    func take(_ id: RolloutID, _ mark: (version: Int64, stamp: Int64)) -> RolloutRow? {
        state.withLock { state in
            state.order.removeAll { $0 == id }
            guard let row = state.rows.removeValue(forKey: id), row.version == mark.version, row.stamp == mark.stamp
            else { return nil }
            return row
        }
    }

    /// A copy, if it is still the one that the database has.
    func copy(_ id: RolloutID, _ mark: (version: Int64, stamp: Int64)) -> RolloutRow? {
        state.withLock { state in
            guard let row = state.rows[id], row.version == mark.version, row.stamp == mark.stamp else { return nil }
            return row
        }
    }

    /// Keeps a rollout that was just written; one that is over is forgotten.
    func put(_ row: RolloutRow) {
        state.withLock { state in
            state.order.removeAll { $0 == row.id }
            guard !row.run.header.state.isFinal else {
                state.rows[row.id] = nil
                return
            }
            state.rows[row.id] = row
            state.order.append(row.id)
            if state.order.count > Self.most { state.rows[state.order.removeFirst()] = nil }
        }
    }

    /// A rollout with its devices, from here or from the database.
    func read(_ id: RolloutID, _ sql: any SQLConnection) throws -> RolloutRow? {
        let store = RolloutStore(sql)
        guard let mark = try store.version(of: id) else { return nil }
        return try copy(id, mark) ?? store.find(id)
    }
}
