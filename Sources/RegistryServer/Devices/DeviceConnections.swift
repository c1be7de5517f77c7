import MartletTypes
import NIOCore
import Synchronization

/// The open connections of each device, so that those of a revoked one can be cut.
final class DeviceConnections: Sendable {
    private let channels = Mutex<[DeviceID: [ObjectIdentifier: any Channel]]>([:])

    /// Notes that a connection is of a device. Called before the device is looked up, so that no revocation falls
    /// between the look-up and the note.
    func note(_ device: DeviceID, _ channel: any Channel) {
        let isNew = channels.withLock {
            $0[device, default: [:]].updateValue(channel, forKey: ObjectIdentifier(channel)) == nil
        }
        guard isNew else { return }
        channel.closeFuture.whenComplete { [weak self] _ in self?.forget(device, ObjectIdentifier(channel)) }
    }

    /// Closes every connection of a device, in a moment: parked polls are to get their answer first.
    func cut(_ device: DeviceID) {
        for channel in channels.withLock({ Array(($0[device] ?? [:]).values) }) {
            channel.eventLoop.scheduleTask(in: TimeAmount(ServerLimits.cutDelay)) { channel.close(promise: nil) }
        }
    }

    /// How many connections a device has.
    func count(_ device: DeviceID) -> Int { channels.withLock { $0[device]?.count ?? 0 } }

    private func forget(_ device: DeviceID, _ id: ObjectIdentifier) {
        channels.withLock { channels in
            channels[device]?[id] = nil
            if channels[device]?.isEmpty == true { channels[device] = nil }
        }
    }
}
