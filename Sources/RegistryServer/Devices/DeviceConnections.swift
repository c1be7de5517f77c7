import MartletTypes
import NIOCore
import Synchronization

/// The open connections of each device, so that those of a revoked one can be cut.
final class DeviceConnections: Sendable {
    private struct State {
        var channels: [DeviceID: [ObjectIdentifier: any Channel]] = [:]
        /// Connections that end with their next answer.
        var ending: Set<ObjectIdentifier> = []
    }

    private let state = Mutex(State())

    /// Notes that a connection is of a device. Called before the device is looked up, so that no revocation falls
    /// between the look-up and the note.
    func note(_ device: DeviceID, _ channel: any Channel) {
        let isNew = state.withLock {
            $0.channels[device, default: [:]].updateValue(channel, forKey: ObjectIdentifier(channel)) == nil
        }
        guard isNew else { return }
        channel.closeFuture.whenComplete { [weak self] _ in self?.forget(device, ObjectIdentifier(channel)) }
    }

    /// Closes every connection of a device: one with a request at work, as a parked poll is, once that is answered,
    /// and in any case after `ServerLimits.cutLimit`. Called before such requests are told to end.
    func cut(_ device: DeviceID) {
        let channels = state.withLock { state in
            let channels = state.channels[device] ?? [:]
            state.ending.formUnion(channels.keys)
            return Array(channels.values)
        }
        for channel in channels { channel.close(in: ServerLimits.cutLimit) }
    }

    /// Whether the answer that is about to be written is the connection's last.
    func isEnding(_ channel: any Channel) -> Bool { state.withLock { $0.ending.contains(ObjectIdentifier(channel)) } }

    /// How many connections a device has.
    func count(_ device: DeviceID) -> Int { state.withLock { $0.channels[device]?.count ?? 0 } }

    private func forget(_ device: DeviceID, _ id: ObjectIdentifier) {
        state.withLock { state in
            state.ending.remove(id)
            state.channels[device]?[id] = nil
            if state.channels[device]?.isEmpty == true { state.channels[device] = nil }
        }
    }
}
