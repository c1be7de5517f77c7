/// What can happen, as webhooks and the stream of events name it. Each is described in `docs/formats/events.md`.
package enum EventType: String, Sendable, Codable, CaseIterable, Comparable {
    // Rollouts.
    case rolloutCreated = "rollout.created"
    case rolloutStarted = "rollout.started"
    case rolloutWaveStarted = "rollout.wave_started"
    case rolloutSoaking = "rollout.soaking"
    case rolloutMeasuring = "rollout.measuring"
    case rolloutAwaitingConfirmation = "rollout.awaiting_confirmation"
    case rolloutConfirmed = "rollout.confirmed"
    case rolloutGatePassed = "rollout.gate_passed"
    case rolloutGateFailed = "rollout.gate_failed"
    case rolloutGateInconclusive = "rollout.gate_inconclusive"
    case rolloutDeviceTimedOut = "rollout.device_timed_out"
    case rolloutDeviceJoined = "rollout.device_joined"
    case rolloutDeviceHeld = "rollout.device_held"
    case rolloutDeviceLetIn = "rollout.device_let_in"
    case rolloutRetried = "rollout.retried"
    case rolloutPaused = "rollout.paused"
    case rolloutResumed = "rollout.resumed"
    case rolloutRollingBack = "rollout.rolling_back"
    case rolloutRolledBack = "rollout.rolled_back"
    case rolloutCompleted = "rollout.completed"
    case rolloutAborted = "rollout.aborted"
    /// A decision that has no type of its own; `data.action` names it.
    case rolloutDecided = "rollout.decided"
    case rollbackMade = "rollback.made"

    // Devices.
    case deviceEnrolled = "device.enrolled"
    case deviceReplaced = "device.replaced"
    case deviceApproved = "device.approved"
    case deviceRejected = "device.rejected"
    case deviceRevoked = "device.revoked"
    case deviceDeleted = "device.deleted"
    case deviceHeld = "device.held"
    case deviceLabelled = "device.labelled"
    /// A slot stays at what it runs; rollouts leave it alone.
    case devicePinned = "device.pinned"
    case deviceUnpinned = "device.unpinned"
    /// Rollouts leave the whole device alone.
    case deviceHeldOut = "device.held_out"
    case deviceLetIn = "device.let_in"
    /// A slot's installation failed on the device.
    case deviceFailed = "device.failed"
    /// Nothing was heard of the device for an hour.
    case deviceSilent = "device.silent"
    /// A device that was silent is heard again.
    case deviceBack = "device.back"
    case fleetChanged = "fleet.changed"
    case fleetDeleted = "fleet.deleted"

    // Releases.
    case releasePublished = "release.published"
    case releaseImported = "release.imported"
    case releaseYanked = "release.yanked"
    case releaseBlocked = "release.blocked"
    case releaseUnblocked = "release.unblocked"
    case releaseFloor = "release.floor"
    case aliasMoved = "alias.moved"

    // Trust and the registry itself.
    case trustInitialized = "trust.initialized"
    case trustChanged = "trust.changed"
    case trustExpiring = "trust.expiring"
    case trustSuspended = "trust.suspended"
    case trustNamespaceRemoved = "trust.namespace_removed"
    case trustKeyMade = "trust.key_made"
    case trustKeyDropped = "trust.key_dropped"
    case trustProposed = "trust.proposed"
    case trustSigned = "trust.signed"
    case trustWithdrawn = "trust.withdrawn"
    case offlineSigned = "offline.signed"
    case registryRestored = "registry.restored"
    case tokenCreated = "token.created"
    case tokenRevoked = "token.revoked"
    case joinTokenCreated = "join_token.created"
    case joinTokenRevoked = "join_token.revoked"
    case webhookCreated = "webhook.created"
    case webhookChanged = "webhook.changed"
    case webhookDeleted = "webhook.deleted"
    case webhookDisabled = "webhook.disabled"
    case webhookSecretRotated = "webhook.secret_rotated"
    /// Goes to the endpoint that is tested, and to no other.
    case webhookTest = "webhook.test"
    /// A change of state that has no type of its own; `data.action` names it.
    case registryChanged = "registry.changed"

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Which types of events somebody wants: names, and groups as in `rollout.*`.
package struct EventFilter: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Terms that one filter may have: more than there are types.
    package static let terms = 100

    /// The types that pass; nil is every one.
    package let types: Set<EventType>?
    /// The filter as it was given, in the form that `init` reads; empty is everything.
    package let text: String

    /// Everything passes.
    package static let everything = EventFilter(types: nil, text: "")

    private init(types: Set<EventType>?, text: String) {
        self.types = types
        self.text = text
    }

    /// Reads `TYPE,TYPE…`, where a term may end in `.*`; empty is everything. Throws for a term that fits no type, so
    /// that a misspelt one is not waited for.
    package init(_ text: String) throws(InvalidValue) {
        let terms = text.split(separator: ",", omittingEmptySubsequences: true).map(String.init)
        guard !terms.isEmpty, terms != ["*"] else {
            self = .everything
            return
        }
        guard terms.count <= Self.terms else {
            throw InvalidValue(kind: "filter of events", value: text, rule: "at most \(Self.terms) types")
        }
        var types: Set<EventType> = []
        for term in terms {
            let group = term.hasSuffix(".*") ? term.dropLast() : nil
            let fitting = EventType.allCases.filter { type in
                group.map { type.rawValue.hasPrefix($0) } ?? (type.rawValue == term)
            }
            guard !fitting.isEmpty else {
                throw InvalidValue(
                    kind: "type of events", value: term,
                    rule: "a type such as rollout.paused or a group such as rollout.*; see docs/formats/events.md")
            }
            types.formUnion(fitting)
        }
        self.types = types
        self.text = terms.joined(separator: ",")
    }

    /// Whether events of a type pass.
    package func contains(_ type: EventType) -> Bool { types?.contains(type) ?? true }

    package var description: String { text.isEmpty ? "all" : text }

    package init(from decoder: any Decoder) throws {
        self = try decoder.checked { (text: String) throws(InvalidValue) in try Self(text) }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
