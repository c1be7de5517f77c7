package import AgentStore
package import Logging
internal import MartletAPI
internal import MartletTypes
internal import RegistryClient
internal import ServiceLifecycle
internal import TUF
internal import Trust

/// Follows the director: one parked call to the registry, whose answers are checked and handed to the slots.
///
/// A registry that is away costs one call each 15 to 30 seconds, and nothing of what serves.
package struct AssignmentSync: Service {
    private let store: AgentStore
    private let link: RegistryLink
    let trust: TrustKeeper
    private let clock: AgentClock
    private let agent: DeviceAgent
    let logger: Logger
    let refreshSignal = WakeSignal()
    /// Called when the registry answers again: what waits for it may go now.
    private let reached: @Sendable () -> Void
    private let changed: @Sendable () -> Void
    /// Called when a refresh brought new metadata.
    private let refreshed: @Sendable () -> Void
    /// Called when the parked call came back, whatever it said.
    package var polled: @Sendable () -> Void = {}
    private let problems: DeviceProblems?
    /// Called after each answer of the registry that was understood.
    var answered: @Sendable () -> Void = {}
    /// How long the first call waits at the registry: not at all where much depends on its answer.
    var firstWait = Duration.seconds(Limits.longPollSeconds)

    package init(
        store: AgentStore, link: RegistryLink, trust: TrustKeeper, clock: AgentClock, agent: DeviceAgent,
        logger: Logger, reached: @escaping @Sendable () -> Void = {}, changed: @escaping @Sendable () -> Void = {},
        refreshed: @escaping @Sendable () -> Void = {}, problems: DeviceProblems? = nil
    ) {
        self.problems = problems
        self.store = store
        self.link = link
        self.trust = trust
        self.clock = clock
        self.agent = agent
        self.logger = logger
        self.reached = reached
        self.changed = changed
        self.refreshed = refreshed
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await follow() }
                group.addTask { await refreshAgainAndAgain() }
            }
        }
    }

    /// Refreshes the metadata now: what could not be kept may be kept.
    package func lookAgain() { refreshSignal.ring() }

    // MARK: Assignments

    private func follow() async {
        var isTakenUp = false
        var renewal = AssignmentRenewal(random: .random(in: 0...1))
        var backoff = Backoff()
        var heard: TrustRevision?
        // Why the last poll failed: another cause is news, such as a stranger's certificate after an outage.
        var cause: String?
        while !Task.isCancelled {
            let start = ContinuousClock.now
            if !isTakenUp { isTakenUp = await takeUpLast() }
            do {
                if try await poll(&heard, &renewal, isTakenUp: isTakenUp) { isTakenUp = true }
                polled()
                answered()
                try await RegistryRefusal.keep(nil, in: store.journal)
                if backoff.failures > 0 { reached() }
                backoff.reset()
                cause = nil
                // An answer that comes at once and says nothing must not be asked for without pause.
                if ContinuousClock.now - start < AgentLimits.firstPause {
                    try await Task.sleep(for: AgentLimits.firstPause / 5)
                }
            } catch {
                if Task.isCancelled { return }
                let asked = (error as? ClientError)?.retryAfterSeconds.map { Duration.seconds($0) }
                let summary = ErrorSummary(error)
                let isNewRefusal = await noteRefusal(summary)
                // Whoever approves a device wants to see it come, so it does not ask ever more rarely.
                if summary.code == RegistryRefusal.waiting { backoff.reset() }
                let pause = backoff.next(random: .random(in: 0...1), asked: asked)
                logger.log(
                    level: isNewRefusal ?? (summary.code != cause) ? .warning : .debug, "no assignment",
                    metadata: ["code": "\(summary.code)", "error": "\(summary.message)", "again": "\(pause)"])
                cause = summary.code
                await lookElsewhere(error, failures: backoff.failures)
                do { try await Task.sleep(for: pause) } catch { return }
            }
        }
    }

    /// Keeps that the registry gives this device nothing; returns whether that is for another reason than before, nil
    /// where the call failed otherwise.
    private func noteRefusal(_ error: ErrorSummary) async -> Bool? {
        guard RegistryRefusal.codes.contains(error.code) else { return nil }
        do {
            return try await RegistryRefusal.keep(error.message, in: store.journal)
        } catch {
            return nil
        }
    }

    /// `heard` is the revision of the owner's metadata that the registry told last. Each is acted upon once, whether
    /// the refresh that it asks for succeeds or not: a registry that tells what it cannot show gets no endless
    /// questions. Returns whether the slots were brought to an assignment.
    private func poll(
        _ heard: inout TrustRevision?, _ renewal: inout AssignmentRenewal, isTakenUp: Bool
    ) async throws -> Bool {
        let versions = await trust.versions()
        let accepted = try await acceptedNumber()
        let slots = try await store.journal.slots()
        let isAnew = accepted > 0 && renewal.isDue(slots, isTakenUp: isTakenUp, now: clock.now)
        let known: TrustRevision? = if let heard { heard } else { await trust.revision() }
        let answer = try await link.device().poll(
            above: isAnew ? accepted - 1 : accepted,
            wait: isAnew ? .zero : heard == nil ? firstWait : .seconds(Limits.longPollSeconds),
            snapshot: versions.snapshot,
            timestamp: versions.timestamp, trust: known, journal: store.journal.identity)
        if let told = answer.trust {
            heard = told
            // Nothing is followed while the first refresh is under way, which may have asked before the change.
            let followed: TrustRevision? = if let known { known } else { await trust.revision() }
            if told != followed { refreshSignal.ring() }
        }
        guard let assignment = answer.assignment else {
            if isAnew { renewal.asked() }
            return false
        }
        do {
            try await accept(assignment)
        } catch let refusal as AssignmentRefusal {
            if isAnew { renewal.asked() }
            throw refusal
        }
        if isAnew { renewal.asked() }
        return true
    }

    func accept(_ bytes: [UInt8]) async throws {
        let assignment: Assignment
        do {
            assignment = try await verified(bytes)
        } catch let refusal as Assignment.Refusal {
            let error = AssignmentRefusal(refusal)
            await tell(error)
            throw error
        }
        clock.vouch(assignment.issued)
        try await store.journal.raise(.signedTime, to: assignment.issued.milliseconds)
        try await keep(assignment, bytes)
        logger.info(
            "assignment accepted",
            metadata: ["number": "\(assignment.number)", "slots": "\(assignment.slots.count)"])
        await agent.apply(assignment)
        refreshSignal.ring()
    }

    /// Checks against the director that is known; where its signature does not fit, the owner may have named another.
    func verified(_ bytes: [UInt8]) async throws -> Assignment {
        guard let device = try store.identity.load()?.device else { throw AgentError.notEnrolled }
        do {
            return try await check(bytes, for: device)
        } catch Assignment.Refusal.badSignature {
            try await trust.refresh()
            return try await check(bytes, for: device)
        }
    }

    private func check(_ bytes: [UInt8], for device: DeviceID) async throws -> Assignment {
        let director = try await trust.director()
        let highest = try await acceptedNumber()
        return try Self.check(bytes, by: director, for: device, above: highest, now: clock.now)
    }

    /// Without suspension: an async function that passes a typed error on crashes the optimiser of Swift 6.3.1.
    private static func check(
        _ bytes: [UInt8], by director: (keys: [String: PublicKey], threshold: Int), for device: DeviceID,
        above highest: Int64, now: Timestamp
    ) throws -> Assignment {
        try Assignment.verify(
            bytes, directorKeys: director.keys, threshold: director.threshold, device: device, highestNumber: highest,
            now: now)
    }

    /// The highest number that was accepted, and 0 where the owner no longer names any of the directors that signed it:
    /// whoever had the former key may have used numbers up.
    private func acceptedNumber() async throws -> Int64 {
        try await isNewSeries() ? 0 : try await store.journal.mark(.assignmentNumber)
    }

    private func isNewSeries() async throws -> Bool {
        guard let bytes = try await store.journal.fact(Self.signersFact) else { return false }
        let former = try JSONText.decode(Set<String>.self, from: bytes)
        let keys: [String: PublicKey]
        do {
            keys = try await trust.director().keys
        } catch {
            // Without a director that is known nothing is accepted either.
            return false
        }
        return former.isDisjoint(with: keys.keys)
    }

    /// Keeps an assignment that was checked, with those who signed it. Its number is the last that is kept: from then
    /// on the registry does not send it again, so nothing that a full disk may refuse stands between that and its
    /// slots.
    private func keep(_ assignment: Assignment, _ bytes: [UInt8]) async throws {
        if try await isNewSeries() {
            logger.notice("assignments are counted anew: the owner named another director")
            try await store.journal.reset(.assignmentNumber)
            await agent.renumber()
        }
        let signers = try Assignment.signers(of: bytes, among: await trust.director().keys)
        try await store.journal.setFact(Self.signersFact, try JSONText.encode(signers.sorted()))
        try await store.accept(assignment: bytes, number: assignment.number)
    }

    private static let signersFact = "assignmentSigners"

    /// A crash between accepting and applying must not lose an assignment: the registry does not send it again by
    /// itself. Returns whether that is settled: where its time is over, or nobody can vouch for it now, the registry is
    /// asked for it anew.
    private func takeUpLast() async -> Bool {
        do {
            guard let bytes = try store.lastAssignment() else { return true }
            let assignment = try await verified(bytes)
            try await keep(assignment, bytes)
            await agent.apply(assignment)
            return true
        } catch {
            // What is journaled for each slot still holds.
            logger.debug("last assignment not taken up", metadata: ["error": "\(ErrorSummary(error).message)"])
            return switch error as? Assignment.Refusal {
            case .otherDevice: true
            // Of a director that the owner replaced: the next one counts anew, and sends all that there is.
            case .badSignature: (try? await isNewSeries()) ?? false
            case .malformed, .olderNumber, .expired, nil: false
            }
        }
    }

    private func tell(_ error: AssignmentRefusal) async {
        do {
            let fact = "lastRefusal"
            let known = try await store.journal.fact(fact)
            guard known != Array(error.message.utf8) else { return }
            let report = DeviceReport(sequence: 0, time: clock.now, code: error.code, message: error.message)
            try await store.journal.report(try JSONText.encode(report))
            try await store.journal.setFact(fact, Array(error.message.utf8))
            changed()
        } catch {
            logger.warning("report not kept", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    // MARK: Metadata

    /// What was taken back ends installations of it at once; what serves goes on.
    func lookForTakenBack() async throws {
        let refusals = try await trust.lookForTakenBack(try await store.journal.slots())
        guard !refusals.isEmpty else { return }
        for refusal in refusals { logger.warning("taken back", metadata: ["release": "\(refusal.message)"]) }
        await agent.tookBack(refusals)
    }

    /// Sees yanks, new keys and new addresses, also when nothing is assigned.
    private func refreshAgainAndAgain() async {
        var backoff = Backoff()
        while !Task.isCancelled {
            do {
                let before = await trust.versions()
                try await trust.refresh()
                if await trust.versions() != before { refreshed() }
                await problems?.noteRefresh(nil)
                try await lookForTakenBack()
                backoff.reset()
                await refreshSignal.wait(for: AgentLimits.refreshInterval)
            } catch {
                if Task.isCancelled { return }
                let summary = ErrorSummary(error)
                await problems?.noteRefresh(error)
                logger.log(
                    level: backoff.failures == 0 ? .warning : .debug, "metadata not refreshed",
                    metadata: ["code": "\(summary.code)", "error": "\(summary.message)"])
                do { try await Task.sleep(for: backoff.next(random: .random(in: 0...1))) } catch { return }
            }
        }
    }
}

/// Why a received assignment was not accepted.
struct AssignmentRefusal: MartletError {
    let code: String
    let message: String
    let remedy: String
    var fault: ErrorFault { .peer }

    init(_ refusal: Assignment.Refusal) {
        switch refusal {
        case .malformed(let detail):
            (code, message) = ("assignmentMalformed", "The assignment cannot be read: \(detail).")
            remedy = "Check the registry's version."
        case .badSignature(let detail):
            (code, message) = ("assignmentUnsigned", "The assignment is not signed by the director: \(detail)")
            remedy = "Check that the registry is the one that this device was enrolled with."
        case .otherDevice(let device):
            (code, message) = ("assignmentForeign", "The assignment is for device \(device).")
            remedy = "Enrol each box by itself; do not copy data folders."
        case .olderNumber(let received, let accepted):
            code = "assignmentOutdated"
            message = "The assignment has number \(received), and \(accepted) was accepted before."
            remedy = "A registry restored from a backup goes on by itself; else somebody replays old assignments."
        case .expired(let time):
            (code, message) = ("assignmentExpired", "The assignment expired at \(time).")
            remedy = "Check the clocks of this device and of the registry."
        }
    }
}
