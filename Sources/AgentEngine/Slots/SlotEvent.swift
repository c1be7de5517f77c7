package import AgentStore
package import MartletTypes
package import Trust

/// Why a step of an installation did not succeed, and what that means for the next try.
package struct SlotFailure: Sendable, Hashable {
    /// What follows.
    package enum Kind: Sendable, Hashable {
        /// The release or the assignment is at fault: not tried again until the slot's assignment changes.
        case final
        /// Nothing is wrong, but it cannot run here: like `final`, reported as skipped.
        case skipped
        /// It may succeed later without a new assignment: tried again with growing pauses, reported once.
        case retry
        /// The registry has something else than was promised, has it not, or refuses to give it: tried again with long
        /// pauses, and given up after a few tries, so that nothing is fetched in vain for ever.
        case refused
        /// The way to the registry failed: tried again, not held against the release.
        case transport
        /// Nothing failed, but the box is not fit for it now: looked at again and again, told as what is waited for.
        case held
    }

    package var kind: Kind
    /// A stable code, e.g. `digestMismatch`.
    package var code: String
    /// One sentence for people.
    package var message: String
    /// The evaluation that was below its threshold.
    package var evaluation: EvaluationResult?
    /// What the registry asked for: no new try before this time has passed.
    package var asked: Duration?

    package init(
        _ kind: Kind, code: String, message: String, evaluation: EvaluationResult? = nil, asked: Duration? = nil
    ) {
        self.kind = kind
        self.code = code
        self.message = message
        self.evaluation = evaluation
        self.asked = asked
    }
}

/// What happened to a slot.
package enum SlotEvent: Sendable, Hashable {
    /// The agent started and read the slot's record from the journal.
    case started
    /// The agent was asked to stop, and does so next.
    case stopping
    /// An accepted assignment names the slot.
    case assigned(SlotTarget)
    /// An accepted assignment does not name the slot.
    case unassigned
    /// The owner brought something on this box itself, without an assignment.
    case installed(SlotTarget)
    /// Somebody on this box wants what served before.
    case sentBack(by: String)
    /// The plan stands. `installed` where a generation on disk already has this content, checked and run before.
    case planned(blobs: [Digest], missing: ByteCount, installed: Bool)
    /// Assignments are counted anew, because the owner named another director: what was decided against one of the
    /// former series does not hold against any of the new one.
    case renumbered
    /// Publishers took back releases that slots have or are to have.
    case tookBack([TakenBack.Refusal])
    /// The conditions allow the installation to begin, or the candidate to be switched to.
    case mayBegin
    /// They do not yet: for what is waited, in words, and when to look again; nil where the same step tells by itself.
    case mustWait(String, until: Timestamp?)
    /// All blobs are there.
    case fetched(bytes: ByteCount, milliseconds: Int64)
    /// Every blob was found as promised.
    case verified
    /// The weights' headers are sound.
    case checked
    /// The generation's folder stands. `owesEvaluation` where its release was never evaluated on this device,
    /// `needsPlace` where its engine cannot start beside the one that serves.
    case staged(GenerationRecord, owesEvaluation: Bool, needsPlace: Bool = false)
    /// The candidate answers `/health`.
    case candidateReady(SwapMode, milliseconds: Int64)
    /// The candidate answered its probes.
    case probed
    /// The candidate answered the evaluation set, above the threshold or not.
    case evaluated(EvaluationResult)
    /// So far shadowing has come.
    case shadowProgress(ShadowResult)
    /// The candidate answered what what serves was asked.
    case shadowed(ShadowResult)
    /// Nothing can be shadowed here, for a reason in words.
    case shadowNotPossible(String)
    /// The gateway leads to the candidate.
    case switched(unavailableMilliseconds: Int64)
    /// An engine was ended whose requests were not over by the deadline; so many answers were cut.
    case drained(cutStreams: Int)
    /// The step at work failed.
    case failed(SlotFailure)
    /// A generation that was asked to serve does.
    case served(GenerationID)
    /// A generation that was asked to serve cannot.
    case serveFailed(GenerationID, SlotFailure)
    /// The engine of a serving generation ended, beyond what a restart mends.
    case engineLost(GenerationID, SlotFailure)
    /// The engine of a serving generation ended and was started again.
    case engineRestarted(GenerationID, reason: String, unavailableMilliseconds: Int64)
    /// The time that was asked for has come.
    case woke

    /// A word for the history.
    package var name: String {
        switch self {
        case .started: "agent started"
        case .stopping: "agent stops"
        case .assigned: "assigned"
        case .unassigned: "no longer assigned"
        case .installed: "brought to this device"
        case .sentBack: "sent back on this device"
        case .planned(_, _, let installed): installed ? "planned: on disk" : "planned"
        case .renumbered: "assignments counted anew"
        case .tookBack: "taken back"
        case .mayBegin: "may begin"
        case .mustWait: "waits"
        case .fetched: "fetched"
        case .verified: "verified"
        case .checked: "checked"
        case .staged: "staged"
        case .candidateReady: "candidate ready"
        case .probed: "probed"
        case .evaluated: "evaluated"
        case .shadowProgress: "shadowing"
        case .shadowed: "shadowed"
        case .shadowNotPossible: "not shadowed"
        case .switched: "switched"
        case .drained: "drained"
        case .failed(let failure): failure.code
        case .served: "serving"
        case .serveFailed(_, let failure): "not serving: \(failure.code)"
        case .engineLost(_, let failure): "engine lost: \(failure.code)"
        case .engineRestarted: "engine restarted"
        case .woke: "time came"
        }
    }
}

/// What is to be done about a slot, after its record was written.
package enum SlotAction: Sendable, Hashable {
    /// Forget the step at work; its result does not count any more.
    case cancelWork
    /// Look whether the conditions allow an installation to begin, not before that time.
    case look(UpdateConditions, notBefore: Timestamp?)
    /// Read the release, choose the variant, list what is missing, make sure that the disk has room.
    case plan(SlotTarget)
    case fetch
    case verify
    case check
    /// Make the generation's folder.
    case stage
    /// Start the candidate's engine, beside what serves or in its place, and wait for its health.
    case startCandidate(GenerationRecord)
    case probe(GenerationRecord)
    case evaluate(GenerationRecord)
    /// Ask the candidate what is asked of the engine that serves, and compare.
    case shadow(GenerationRecord, ShadowPolicy)
    /// Wait until the slot has had no request for so many seconds.
    case awaitIdle(seconds: Int)
    /// Lead the gateway to the candidate. What served before stays warm where it still runs.
    case switchOver(GenerationRecord, SwapMode)
    /// Make sure that this generation's engine runs, is started again whenever it ends, and that the gateway leads to
    /// it; then drain and end the slot's other engines.
    case serve(GenerationRecord)
    /// End every engine of the slot that the gateway does not lead to, but for `sparing`.
    case endOthers(sparing: GenerationID?)
    /// End every engine of the slot; nothing serves.
    case endAll
    /// Point the links on disk, for an agent without its journal.
    case point(current: GenerationID?, previous: GenerationID?)
    /// Remove generations and blobs that nothing needs any more.
    case collect
    /// End all engines, remove the route, the generations and the record.
    case empty
    /// Send `woke` at this time.
    case wake(Timestamp)
}

extension SlotAction {
    /// Whether it takes an installation further, so that it is of no use once that is given up.
    var isOfInstallation: Bool {
        switch self {
        case .look, .plan, .fetch, .verify, .check, .stage, .startCandidate, .probe, .evaluate, .shadow, .awaitIdle,
            .switchOver:
            true
        default: false
        }
    }
}

/// One thing to tell the registry; written together with the record that it goes with.
package struct SlotReport: Sendable, Hashable {
    package var target: SlotTarget?
    package var state: DeviceRolloutState?
    package var code: String?
    package var message: String?
    package var figures: InstallFigures?

    package init(
        target: SlotTarget?, state: DeviceRolloutState? = nil, code: String? = nil, message: String? = nil,
        figures: InstallFigures? = nil
    ) {
        self.target = target
        self.state = state
        self.code = code
        self.message = message
        self.figures = figures
    }
}

/// What follows from one event.
package struct SlotStep: Sendable, Hashable {
    package var reports: [SlotReport] = []
    package var actions: [SlotAction] = []

    package init() {}
}
