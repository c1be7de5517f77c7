import Hummingbird
import MartletAPI
import MartletTypes
import NIOCore
import RegistryStore
import ServiceLifecycle
import TUF
import Trust

extension DeviceService {
    /// What a poll says: how far the device is, and how long it will wait.
    struct Poll: Sendable {
        var number: Int64
        var wait: Duration
        var snapshot: Int64
        var timestamp: Int64
        var journal: JournalID?

        init(_ exchange: Exchange) throws {
            let versions: ClosedRange<Int64> = 0...MetadataService.highestVersion
            number = try exchange.number("number", in: versions) ?? 0
            wait = .seconds(try exchange.number("wait", in: 0...Int64(Limits.longPollSeconds)) ?? 0)
            snapshot = try exchange.number("snapshot", in: versions) ?? 0
            timestamp = try exchange.number("timestamp", in: versions) ?? 0
            journal = try exchange.query("journal", as: JournalID.self)
        }
    }

    /// The device's signed assignment once it is above the poll's number; nil when the time is over, the connection is
    /// gone, or the process shuts down. A change reaches a parked poll within milliseconds.
    func assignment(_ poll: Poll, of device: DeviceID, _ context: ServerContext) async throws -> [UInt8]? {
        try await begin(poll, of: device)
        // Listen first, then look: no change can fall in between.
        let listener = core.changes.listen([.assignment], device.text)
        core.presence.parked(device)
        context.onClose { listener.wake(.closed) }
        let alarm = context.channel.eventLoop.scheduleTask(in: TimeAmount(poll.wait)) { listener.wake(.timeout) }
        defer {
            alarm.cancel()
            context.onClose(nil)
            core.presence.left(device)
            core.changes.end(listener)
        }
        return try await withGracefulShutdownHandler {
            while true {
                if let signed = try await compose(device, above: poll.number) { return signed }
                guard poll.wait > .zero, await listener.wait() == .change else { return nil }
            }
        } onGracefulShutdown: {
            listener.wake(.shutdown)
        }
    }

    /// Checks whose journal it is, and goes on above what the device has accepted where this registry is behind,
    /// because it was restored from an older backup.
    private func begin(_ poll: Poll, of device: DeviceID) async throws {
        let core = core
        let (row, number) = try await core.database.read { sql in
            (try DeviceStore(sql).find(device), try AssignmentStore(sql).number(of: device) ?? 0)
        }
        guard let row else { throw ServerError.unknownDevice }
        if let journal = poll.journal, journal != row.journal {
            let isItsOwn = try await core.database.write {
                try DeviceStore($0).noteJournal(device, journal, now: core.clock())
            }
            guard isItsOwn else { throw foundClone(device.text) }
        }
        if poll.number > number {
            _ = try await core.database.write { try AssignmentStore($0).continueAbove(poll.number, device: device) }
        }
        try await metadata.continueAbove(snapshot: poll.snapshot, timestamp: poll.timestamp)
    }

    private func compose(_ device: DeviceID, above number: Int64) async throws -> [UInt8]? {
        let core = core
        return try await core.database.read { sql in
            guard let row = try DeviceStore(sql).find(device) else { throw ServerError.unknownDevice }
            // It may have been revoked or held while its poll was parked.
            try DeviceAuthorizer.requireActive(row)
            let current = row.assignment
            guard current > number else { return nil }
            let now = core.clock()
            return try AssignmentStore(sql)
                .compose(device, issued: now, expires: now + ServerLimits.assignmentLife)
                .signed(by: core.keyring.directors).encoded()
        }
    }
}
