package import MartletTypes

/// What an engine takes of memory, by the device's estimate.
package struct EngineNeed: Sendable, Hashable {
    /// What is its alone: cache, buffers, adapters, weights that it reads instead of mapping them.
    package var own: ByteCount
    /// Files that it maps, by digest: engines of one base have these pages in common.
    package var mapped: [Digest: ByteCount]

    package init(own: ByteCount = .zero, mapped: [Digest: ByteCount] = [:]) {
        self.own = own
        self.mapped = mapped
    }

    /// All of it, where no other engine has mapped any of it.
    package var total: ByteCount { mapped.values.reduce(own) { $0 + $1 } }

    /// What several engines take together: each mapped file once.
    package static func together(_ needs: some Sequence<EngineNeed>) -> ByteCount {
        var files: [Digest: ByteCount] = [:]
        var own = ByteCount.zero
        for need in needs {
            own = own + need.own
            files.merge(need.mapped) { max($0, $1) }
        }
        return files.values.reduce(own) { $0 + $1 }
    }
}

/// What a slot's assignment says of its place among the others.
package struct SlotStanding: Sendable, Hashable {
    /// When its engine runs.
    package var start: SlotResidency.Start
    /// Higher ones go later.
    package var priority: Int

    package init(start: SlotResidency.Start = .ifRoom, priority: Int = 0) {
        self.start = start
        self.priority = priority
    }

    package init(_ residency: SlotResidency?) {
        self.init(start: residency?.start ?? .ifRoom, priority: residency?.priority ?? 0)
    }

    /// Whether its engine is never ended to make room.
    package var isPinned: Bool { start == .always }
}

/// What an engine is to do, which decides whom it may displace.
package enum EngineUrgency: Sendable, Hashable {
    /// A request waits for it: idle engines make room once they had their time, busy ones of no higher priority too,
    /// after their answers.
    case demand
    /// It shall serve, though nobody asks yet: only idle engines of lower priority make room.
    case standby
    /// It shall prove itself: only idle engines make room, once they had their time.
    case candidate
}

/// A wish for room: which engine, how much, and why.
package struct RoomClaim: Sendable, Hashable {
    /// One engine of a slot.
    package struct Key: Sendable, Hashable {
        package let slot: SlotName
        package let generation: Int64

        package init(slot: SlotName, generation: Int64) {
            self.slot = slot
            self.generation = generation
        }
    }

    package var key: Key
    package var need: EngineNeed
    package var standing: SlotStanding
    package var urgency: EngineUrgency

    package init(key: Key, need: EngineNeed, standing: SlotStanding, urgency: EngineUrgency) {
        self.key = key
        self.need = need
        self.standing = standing
        self.urgency = urgency
    }
}

/// Why an engine does not get room now.
package struct RoomRefusal: Error, Sendable, Hashable {
    /// A sentence without the slot's own name.
    package var reason: String
    /// When to ask again; nil where only an end of something else helps.
    package var retryAfter: Duration?
    /// Whether it can never have room beside what is never ended.
    package var isFinal: Bool
    /// Whether another engine, which would make room, is only being started.
    package var isBrief: Bool

    package init(_ reason: String, retryAfter: Duration? = nil, isFinal: Bool = false, isBrief: Bool = false) {
        self.reason = reason
        self.retryAfter = retryAfter
        self.isFinal = isFinal
        self.isBrief = isBrief
    }
}
