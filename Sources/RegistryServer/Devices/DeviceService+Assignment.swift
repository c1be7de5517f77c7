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
        /// The root and targets that the device knows of; nil for one that does not say.
        var trust: TrustRevision?

        init(_ exchange: Exchange) throws {
            let versions: ClosedRange<Int64> = 0...MetadataService.highestVersion
            number = try exchange.number("number", in: versions) ?? 0
            wait = .seconds(try exchange.number("wait", in: 0...Int64(Limits.longPollSeconds)) ?? 0)
            snapshot = try exchange.number("snapshot", in: versions) ?? 0
            timestamp = try exchange.number("timestamp", in: versions) ?? 0
            journal = try exchange.query("journal", as: JournalID.self)
            if let text = try exchange.query("trust") {
                guard let revision = TrustRevision(text) else {
                    throw ServerError.badRequest(
                        "What the device knows of root and targets is not ROOT.TARGETS.", field: "trust")
                }
                trust = revision
            }
        }
    }

    /// What a poll gets.
    struct PollAnswer: Sendable {
        /// The signed assignment; nil where there is none above the poll's number.
        var assignment: [UInt8]?
        var trust: TrustRevision
    }

    /// The device's signed assignment once it is above the poll's number; without one when the owner's root or targets
    /// are others than the poll says, the time is over, the connection is gone, or the process shuts down. A change
    /// reaches a parked poll within milliseconds.
    func assignment(_ poll: Poll, of device: DeviceID, _ context: ServerContext) async throws -> PollAnswer {
        // Listen first, then look: no change can fall in between.
        let owners = [TopLevelRole.root.rawValue, TopLevelRole.targets.rawValue]
        let listener = core.changes.listen([.assignment, .metadata], Set([device.text] + owners))
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
            var isMended = false
            while true {
                guard let answer = try await look(poll, of: device, isMended: isMended) else {
                    try await mend(poll, of: device)
                    isMended = true
                    continue
                }
                let isNews = answer.assignment != nil || poll.trust.map { $0 != answer.trust } ?? false
                guard !isNews, poll.wait > .zero, await listener.wait() == .change else { return answer }
            }
        } onGracefulShutdown: {
            listener.wake(.shutdown)
        }
    }

    /// What there is for a poll, in one read, since polls are most of what a registry does; nil where `mend` has
    /// something to do first.
    private func look(_ poll: Poll, of device: DeviceID, isMended: Bool) async throws -> PollAnswer? {
        let core = core
        return try await core.database.read { sql in
            guard let row = try DeviceStore(sql).find(device) else { throw ServerError.unknownDevice }
            let isForeign = poll.journal.map { $0 != row.journal } ?? false
            guard
                try isMended
                    || !(isForeign || poll.number > row.assignment
                        || MetadataService.isBehind(sql, snapshot: poll.snapshot, timestamp: poll.timestamp))
            else { return nil }
            // It may have been revoked or held while its poll was parked.
            try DeviceAuthorizer.requireActive(row)
            let roles = RoleStore(sql)
            let trust = TrustRevision(
                root: try roles.currentVersion(of: TopLevelRole.root.rawValue) ?? 0,
                targets: try roles.currentVersion(of: TopLevelRole.targets.rawValue) ?? 0)
            guard row.assignment > poll.number else { return PollAnswer(assignment: nil, trust: trust) }
            let now = core.clock()
            let signed = try AssignmentStore(sql)
                .compose(device, issued: now, expires: now + ServerLimits.assignmentLife)
                .signed(by: core.keyring.directors).encoded()
            return PollAnswer(assignment: signed, trust: trust)
        }
    }

    /// Checks whose journal it is, and goes on above what the device has accepted where this registry is behind,
    /// because it was restored from an older backup.
    private func mend(_ poll: Poll, of device: DeviceID) async throws {
        let core = core
        let isItsOwn = try await core.database.write { sql in
            if let journal = poll.journal,
                try !DeviceStore(sql).noteJournal(device, journal, now: core.clock())
            {
                return false
            }
            _ = try AssignmentStore(sql).continueAbove(poll.number, device: device)
            return true
        }
        guard isItsOwn else { throw foundClone(device.text) }
        try await metadata.continueAbove(snapshot: poll.snapshot, timestamp: poll.timestamp)
    }
}
