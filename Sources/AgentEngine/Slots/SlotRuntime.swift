package import AgentStore
package import MartletTypes

/// The engines of one slot, as the slot's driver commands them. Failures are `SlotFailure` or `CancellationError`.
package protocol SlotRuntime: Sendable {
    /// Makes sure that the generation's engine runs, now and whenever it ends, and that the gateway leads to it; the
    /// slot's other engines are drained and ended. `mayRest` where only a request may have to start it.
    func serve(_ record: GenerationRecord, mayRest: Bool) async throws
    /// Starts the candidate, beside what serves or in its place, and waits for its health.
    func startCandidate(_ record: GenerationRecord) async throws -> (mode: SwapMode, milliseconds: Int64)
    /// Asks the release's probes; `quick` asks only the first.
    func probe(_ record: GenerationRecord, quick: Bool) async throws
    /// Runs the evaluation set.
    func evaluate(_ record: GenerationRecord) async throws -> EvaluationResult
    /// Asks the candidate a share of what the engine that serves is asked, until enough answers were compared or the
    /// time is over; `progress` hears how far it is.
    func shadow(
        _ record: GenerationRecord, _ policy: ShadowPolicy, progress: @escaping @Sendable (ShadowResult) -> Void
    ) async throws -> ShadowOutcome
    /// Returns when the slot has had no request for that long; `waits` is called once where that is not so at first.
    func awaitIdle(_ time: Duration, waits: @Sendable () -> Void) async throws
    /// Leads the gateway to the candidate; returns for how long requests waited. What served before stays warm where it
    /// still runs. A candidate that ends is not started again: only `serve` makes it what shall serve.
    func switchOver(_ record: GenerationRecord) async throws -> Duration
    /// Ends every engine that the gateway does not lead to, but for `sparing`; one that still answers drains first.
    func endOthers(sparing: GenerationID?) async
    /// Starts the engine of what serves anew, where it is this generation's.
    func renew(_ id: GenerationID) async throws
    /// Ends all engines; requests wait, or get 404 where the route is forgotten.
    func endAll(forget: Bool) async
    /// What serves now, at once or as soon as a request has started it; nil where nothing does.
    func serving() async -> GenerationID?
    /// What its engines do now.
    func activity() async -> SlotActivity
}

/// What came of shadowing.
package enum ShadowOutcome: Sendable, Hashable {
    case compared(ShadowResult)
    /// There is nothing to compare with, or no way to compare; the reason is the end of a sentence.
    case notPossible(String)
}

/// What an engine's life tells the slot's driver by itself.
package enum RuntimeNews: Sendable {
    /// The engine of a serving generation ended, beyond what a restart mends.
    case lost(GenerationID, SlotFailure)
    /// The engine of a serving generation ended and was started again.
    case restarted(GenerationID, reason: String, unavailable: Duration)
    /// An engine was ended whose requests were not over by the deadline.
    case drained(cutStreams: Int)
    /// An engine came or went without that anything is to be decided.
    case moved
}

extension SlotFailure {
    /// The failure that an error of a step amounts to.
    static func from(_ error: any Error, otherwise kind: Kind = .final) -> SlotFailure {
        if let failure = error as? SlotFailure { return failure }
        let summary = ErrorSummary(error)
        return SlotFailure(kind, code: summary.code, message: summary.message)
    }
}

extension SlotFailure: Error {}
