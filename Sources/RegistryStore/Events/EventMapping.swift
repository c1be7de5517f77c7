internal import MartletTypes
internal import Trust

/// Which event a row of the audit log is, and whom it concerns: the one place where the two are tied together.
///
/// A test reads every action that the sources write and fails for one that stands in neither list.
struct EventMapping {
    /// What becomes of an action.
    enum Outcome: Hashable {
        case event(EventType)
        /// Deliberately told to nobody.
        case silent
    }

    private let sql: any SQLConnection

    init(_ sql: any SQLConnection) { self.sql = sql }

    /// Actions that are events. Those of rollouts are `rollout.` and the engine's decision.
    static let events: [String: EventType] = [
        "rollout.create": .rolloutCreated, "rollout.start": .rolloutStarted,
        "rollout.startWave": .rolloutWaveStarted, "rollout.timeOut": .rolloutDeviceTimedOut,
        "rollout.pause": .rolloutPaused, "rollout.resume": .rolloutResumed, "rollout.rollBack": .rolloutRollingBack,
        "rollout.rolledBack": .rolloutRolledBack, "rollout.complete": .rolloutCompleted,
        "rollout.abort": .rolloutAborted, "rollout.soak": .rolloutSoaking, "rollout.measure": .rolloutMeasuring,
        "rollout.awaitConfirmation": .rolloutAwaitingConfirmation, "rollout.confirm": .rolloutConfirmed,
        "rollout.gatePassed": .rolloutGatePassed, "rollout.gateFailed": .rolloutGateFailed,
        "rollout.gateInconclusive": .rolloutGateInconclusive, "rollout.retry": .rolloutRetried,
        "rollout.join": .rolloutDeviceJoined, "rollout.hold": .rolloutDeviceHeld,
        "rollout.release": .rolloutDeviceLetIn, "rollback": .rollbackMade,

        "device.enrol": .deviceEnrolled, "device.replace": .deviceReplaced, "device.approve": .deviceApproved,
        "device.reject": .deviceRejected, "device.revoke": .deviceRevoked, "device.delete": .deviceDeleted,
        "device.hold": .deviceHeld, "device.label": .deviceLabelled, "device.pin": .devicePinned,
        "device.unpin": .deviceUnpinned, "device.holdOut": .deviceHeldOut, "device.letIn": .deviceLetIn,
        "fleet.set": .fleetChanged, "fleet.delete": .fleetDeleted,

        "release.publish": .releasePublished, "release.import": .releaseImported, "release.yank": .releaseYanked,
        "release.block": .releaseBlocked, "release.unblock": .releaseUnblocked, "release.floor": .releaseFloor,
        "alias.set": .aliasMoved,

        "trust.init": .trustInitialized, "trust.change": .trustChanged, "tuf.put": .trustChanged,
        "tuf.import": .trustChanged, "trust.suspend": .trustSuspended,
        "trust.removeNamespace": .trustNamespaceRemoved, "trust.makeOnlineKey": .trustKeyMade,
        "trust.dropOnlineKey": .trustKeyDropped, "trust.propose": .trustProposed, "trust.sign": .trustSigned,
        "trust.withdraw": .trustWithdrawn, "offline.sign": .offlineSigned, "registry.restore": .registryRestored,

        "token.create": .tokenCreated, "token.delete": .tokenRevoked,
        "token.revoke": .tokenRevoked, "joinToken.create": .joinTokenCreated,
        "joinToken.delete": .joinTokenRevoked,
        "webhook.create": .webhookCreated, "webhook.change": .webhookChanged, "webhook.delete": .webhookDeleted,
        "webhook.disable": .webhookDisabled, "webhook.rotateSecret": .webhookSecretRotated,
        "webhook.test": .webhookTest,
    ]

    /// Actions that are no events, and why.
    static let silent: [String: String] = [
        "device.renew": "every device does so by itself every two months; what fails is seen by `device.silent`",
        "manifest.push": "bytes that nobody runs yet; their release is an event when it is published",
        "manifest.delete": "bytes that no release names",
        "blob.delete": "bytes that no release names",
        "rollback.finish": "the last step of what `rollback.made` told of; each slot's own reports say how it went",
        "tuf.continueAbove": "a repair after a restore, of which `registry.restored` tells",
        "webhook.replay": "would make an event of the handling of events",
        "webhook.discard": "would make an event of the handling of events",
    ]

    /// What is asked of a rollout is silent: what the engine decides about it is told.
    static let silentPrefix = "rollout.ask."

    /// Nothing is forgotten: an action that stands in no list is told by a general type.
    static func outcome(of action: String) -> Outcome {
        if let type = events[action] { return .event(type) }
        if silent[action] != nil || action.hasPrefix(silentPrefix) { return .silent }
        return .event(action.hasPrefix("rollout.") ? .rolloutDecided : .registryChanged)
    }

    /// Whom an audited change concerns, as far as its subject says it.
    func scope(of entry: AuditEntry) throws -> EventScope {
        let group = entry.action.prefix { $0 != "." }
        switch group {
        case "rollout": return try RolloutID(checking: entry.subject).map { try scope(of: $0) } ?? EventScope()
        case "device": return try DeviceID(checking: entry.subject).map { try scope(of: $0) } ?? EventScope()
        case "fleet":
            var scope = EventScope()
            scope.fleet = FleetName(checking: entry.subject)
            return scope
        case "release", "alias":
            var scope = EventScope()
            scope.namespaces = entry.subject.split(separator: "/", maxSplits: 1).prefix(1).map(String.init)
            return scope
        case "rollback": return try scope(ofRollback: entry)
        default:
            var scope = EventScope()
            if ["trust.suspend", "trust.removeNamespace"].contains(entry.action) {
                scope.namespaces = [entry.subject]
            }
            return scope
        }
    }

    /// A rollout concerns its releases' namespaces and its fleet.
    func scope(of rollout: RolloutID) throws -> EventScope {
        var scope = EventScope()
        scope.rollout = rollout
        let row = try sql.first("SELECT fleet, releases FROM rollouts WHERE id = ?", [.text(rollout)])
        guard let row else { return scope }
        scope.fleet = try row.optionalName("fleet")
        let releases: [ReleasePath] = try row.json("releases")
        scope.namespaces = Set(releases.map(\.repository.namespace)).sorted()
        return scope
    }

    /// A device with its labels, of which a fleet is made.
    func scope(of device: DeviceID) throws -> EventScope {
        var scope = EventScope()
        scope.device = device
        scope.labels = try DeviceStore(sql).find(device)?.labels
        return scope
    }

    /// The audit names what was rolled back: a device, a fleet, a release or a rollout, in this order of asking.
    private func scope(ofRollback entry: AuditEntry) throws -> EventScope {
        if let device = DeviceID(checking: entry.subject), try DeviceStore(sql).find(device) != nil {
            return try scope(of: device)
        }
        var scope = EventScope()
        if let fleet = FleetName(checking: entry.subject), try FleetStore(sql).find(fleet) != nil {
            scope.fleet = fleet
        } else if entry.subject.contains("/") {
            scope.namespaces = entry.subject.split(separator: "/", maxSplits: 1).prefix(1).map(String.init)
        } else if let rollout = RolloutID(checking: entry.subject) {
            return try self.scope(of: rollout)
        }
        return scope
    }
}

extension ValidatedString {
    /// The value of a text that may be none.
    fileprivate init?(checking text: String) {
        guard let value = try? Self(text) else { return nil }
        self = value
    }
}
