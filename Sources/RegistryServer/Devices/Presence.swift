import MartletTypes
import RegistryStore
import Synchronization

/// Which devices are here: parked in a poll, or heard of within a minute.
///
/// Sights are collected and written for many devices at once, since a write for each poll would cost more than the
/// poll.
final class Presence: Sendable {
    private struct State {
        var parked: [DeviceID: Int] = [:]
        var seen: [DeviceID: Timestamp] = [:]
        var unwritten: [DeviceID: Timestamp] = [:]
    }

    private let clock: Clock
    private let state = Mutex(State())

    init(clock: @escaping Clock) { self.clock = clock }

    /// The device called.
    func saw(_ device: DeviceID) {
        let now = clock()
        state.withLock {
            $0.seen[device] = now
            $0.unwritten[device] = now
        }
    }

    /// The device waits in a poll until `left`.
    func parked(_ device: DeviceID) { state.withLock { $0.parked[device, default: 0] += 1 } }

    /// A poll of the device ended.
    func left(_ device: DeviceID) {
        state.withLock { state in
            let count = (state.parked[device] ?? 1) - 1
            state.parked[device] = count > 0 ? count : nil
        }
    }

    /// Whether the device is here; `lastSeen` is what the database says.
    func isOnline(_ device: DeviceID, lastSeen: Timestamp?) -> Bool {
        let (isParked, seen) = state.withLock { ($0.parked[device] != nil, $0.seen[device]) }
        guard !isParked else { return true }
        guard let last = [seen, lastSeen].compactMap(\.self).max() else { return false }
        return clock() - last < ServerLimits.onlineWindow
    }

    /// When the device was last heard of, by what is known here and in the database.
    func lastSeen(_ device: DeviceID, stored: Timestamp?) -> Timestamp? {
        [state.withLock { $0.seen[device] }, stored].compactMap(\.self).max()
    }

    /// How many devices are here, as far as this process knows.
    var onlineCount: Int {
        let now = clock()
        return state.withLock { state in
            var online = Set(state.parked.keys)
            for (device, seen) in state.seen where now - seen < ServerLimits.onlineWindow { online.insert(device) }
            return online.count
        }
    }

    /// How many devices wait in a poll.
    var parkedCount: Int { state.withLock { $0.parked.count } }

    /// Writes what was seen since the last time, some devices in each transaction, so that no other write waits long.
    /// What could not be written is kept for the next time.
    func flush(to database: any Database) async throws {
        let names = state.withLock { $0.unwritten.keys.sorted() }
        for start in stride(from: 0, to: names.count, by: ServerLimits.seenPerTransaction) {
            let batch = names[start..<min(start + ServerLimits.seenPerTransaction, names.count)]
            let seen = state.withLock { state in
                batch.reduce(into: [:]) { $0[$1] = state.unwritten[$1] }
            }
            try await database.write { try DeviceStore($0).touch(seen) }
            state.withLock { state in
                for (device, time) in seen where state.unwritten[device] == time { state.unwritten[device] = nil }
            }
        }
    }

    /// Forgets a device that was deleted.
    func forget(_ device: DeviceID) {
        state.withLock {
            $0.parked[device] = nil
            $0.seen[device] = nil
            $0.unwritten[device] = nil
        }
    }
}
