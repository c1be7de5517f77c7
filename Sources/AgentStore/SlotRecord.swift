package import MartletTypes
package import Trust

/// Where a slot stands. Written to the journal before anything is done about it.
package enum SlotPhase: String, Sendable, Codable, CaseIterable {
    /// Nothing was ever assigned.
    case idle
    /// What is assigned waits until its conditions allow it to begin.
    case offered
    /// Reading the release and choosing the variant.
    case planning
    /// Bringing missing blobs.
    case fetching
    /// Making sure that every blob is there as promised.
    case verifying
    /// Reading the weights' headers.
    case checking
    /// The generation's folder stands.
    case staged
    /// The candidate's engine loads.
    case starting
    /// The candidate answers the release's probes.
    case probing
    /// The candidate answers the evaluation set.
    case evaluating
    /// The candidate answers what what serves is asked.
    case shadowing
    /// The candidate waits until the slot has had no request for a while.
    case idling
    /// The gateway moves to the candidate.
    case switching
    /// The candidate serves and must prove itself.
    case soaking
    /// What is assigned serves.
    case committed
    /// What is assigned failed here and is not tried again until the slot's assignment changes.
    case failed
    /// What is assigned could not be brought; it is tried again later.
    case waiting
}

/// What the director wants in a slot.
package struct SlotTarget: Sendable, Hashable, Codable {
    package var assignment: SlotAssignment
    /// The number of the assignment that said so last.
    package var number: Int64
    /// When that assignment ends; nothing is installed from it afterwards.
    package var expires: Timestamp

    package init(assignment: SlotAssignment, number: Int64, expires: Timestamp) {
        self.assignment = assignment
        self.number = number
        self.expires = expires
    }

    package var generation: Int64 { assignment.generation }
    package var paths: [ReleasePath] { assignment.releases.map(\.path) }
}

/// A local decision against an assignment. It holds until the slot's generation in the assignment rises.
package struct SlotOverride: Sendable, Hashable, Codable {
    /// The slot's generation in the assignment that is overridden.
    package var generation: Int64
    /// Why, as a stable code, e.g. `evaluationFailed`.
    package var code: String
    package var message: String
    package var time: Timestamp

    package init(generation: Int64, code: String, message: String, time: Timestamp) {
        self.generation = generation
        self.code = code
        self.message = message
        self.time = time
    }
}

/// How the candidate takes over.
package enum SwapMode: String, Sendable, Codable {
    /// The candidate starts beside the running engine.
    case sideBySide
    /// Requests wait while the running engine drains and the candidate takes its place.
    case replace
}

/// Numbers of the installation at work.
package struct InstallFigures: Sendable, Hashable, Codable {
    package var bytesFetched: Int64 = 0
    package var fetchMilliseconds: Int64?
    package var startMilliseconds: Int64?
    package var unavailableMilliseconds: Int64?
    package var cutStreams: Int?
    package var evaluation: EvaluationResult?
    package var shadow: ShadowResult?

    package init() {}
}

/// All that must survive about one slot.
package struct SlotRecord: Sendable, Hashable, Codable {
    package var slot: SlotName
    package var phase: SlotPhase
    /// What is assigned; nil until something is.
    package var target: SlotTarget?
    /// What serves from a start of the agent on.
    package var current: GenerationRecord?
    /// What a step back brings.
    package var previous: GenerationRecord?
    /// What is staged and not yet committed.
    package var candidate: GenerationRecord?
    package var override: SlotOverride?
    package var swap: SwapMode?
    /// Whether the evaluation is still owed while soaking.
    package var owesEvaluation: Bool
    package var soakEnds: Timestamp?
    /// Failed tries of this target in a row.
    package var attempts: Int
    package var retryAt: Timestamp?
    /// How long the pause until then was meant to be, for a clock that is set back meanwhile.
    package var pauseMilliseconds: Int64?
    /// How often the agent was stopped while the candidate was at work.
    package var interruptions: Int
    /// Whether the agent was asked to stop while an installation was at work: no fault of the candidate's.
    package var wasStopped: Bool
    /// Code of the failure that was reported last for this target, so that each is reported once.
    package var reportedFailure: String?
    /// The last failed try of this target, for people; nil where there was none.
    package var failedTry: SlotOverride?
    /// Blobs of the plan at work; collection spares these.
    package var planned: [Digest]
    package var figures: InstallFigures
    /// Before this the installation of what is assigned does not begin: devices of a fleet are spread by it.
    package var notBefore: Timestamp?
    /// When it is looked again whether it may begin.
    package var lookAt: Timestamp?
    /// What is waited for, in the words that were reported; nil where nothing is.
    package var waitsFor: String?
    /// Whether the candidate's content ran here before: what is gone back to is not proven once more.
    package var isReturn: Bool?
    /// How often the registry refused something of this target, or had it not.
    package var refusals: Int?
    /// How often what came of this target was something else than was promised, or nothing could be made of it.
    package var wrongContents: Int?
    /// The current generation, where it is a program of the agent that does not run here any more, though it stays what
    /// the slot was brought to.
    package var fallen: GenerationID?
    /// Phases that the try at work has passed through.
    package var moves: Int?

    /// A slot about which nothing is known.
    package init(slot: SlotName) {
        self.slot = slot
        phase = .idle
        owesEvaluation = false
        attempts = 0
        interruptions = 0
        wasStopped = false
        planned = []
        figures = InstallFigures()
    }

    /// Every blob that collection must spare for this slot.
    package var blobs: Set<Digest> {
        [current, previous, candidate].compactMap(\.self).reduce(into: Set(planned)) { $0.formUnion($1.blobs) }
    }

    /// The generations whose folders must stay.
    package var generations: Set<GenerationID> { Set([current, previous, candidate].compactMap { $0?.id }) }
}

/// One line of a slot's history.
package struct Transition: Sendable, Hashable {
    package var time: Timestamp
    package var slot: SlotName
    package var from: SlotPhase
    package var to: SlotPhase
    /// The event that caused it, for people.
    package var cause: String

    package init(time: Timestamp, slot: SlotName, from: SlotPhase, to: SlotPhase, cause: String) {
        self.time = time
        self.slot = slot
        self.from = from
        self.to = to
        self.cause = cause
    }
}
