package import AgentStore
package import Logging
internal import MartletAPI
package import MartletTypes
internal import ServiceLifecycle
internal import Synchronization
internal import Trust

/// Hashes what generations need again, one blob after the other and slowly, and fetches anew what has rotted; what
/// cannot serve is looked at first. What runs from a copy of a blob, an unpacked engine or the agent's program, is
/// looked at with it and made anew from it.
package struct BlobScrub: Service {
    private let store: AgentStore
    private let installer: ReleaseInstaller
    private let clock: AgentClock
    private let interval: Duration
    private let logger: Logger
    private let changed: @Sendable () -> Void
    private let orders: RepairOrders
    /// The agent's own programs; nil where there are none.
    package var programs: AgentPrograms?

    /// `interval` passes between two blobs.
    package init(
        store: AgentStore, installer: ReleaseInstaller, clock: AgentClock, interval: Duration = .seconds(600),
        orders: RepairOrders = RepairOrders(), logger: Logger, changed: @escaping @Sendable () -> Void = {}
    ) {
        self.orders = orders
        self.store = store
        self.installer = installer
        self.clock = clock
        self.interval = interval
        self.logger = logger
        self.changed = changed
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var turn: [File] = []
            var debts = MendDebts()
            // Whether a whole round was asked for: then nothing is waited for between two files.
            var isRound = false
            while !Task.isCancelled {
                let wait = isRound ? .zero : debts.wait(upTo: interval, now: .now)
                await orders.wake.wait(for: wait)
                if Task.isCancelled { return }
                for record in orders.take() {
                    // Without giving way: what they belong to does not serve, and requests may wait for it.
                    for file in record.content { await look(at: File(record: record, file: file), &debts, pass: {}) }
                }
                if orders.takeRound() {
                    isRound = true
                    turn = []
                }
                if let due = debts.due(.now) {
                    await mend(due, &debts)
                } else if isRound || wait == interval {
                    let wasLooked = await next(&turn, &debts)
                    if isRound, turn.isEmpty {
                        isRound = false
                        if wasLooked { logger.notice("all files were looked at") }
                    }
                }
            }
        }
    }

    /// A weight file, or a program, with the release that it belongs to.
    package struct File: Sendable, Hashable {
        package let record: GenerationRecord
        package let file: GenerationFile

        package init(record: GenerationRecord, file: GenerationFile) {
            self.record = record
            self.file = file
        }
    }

    /// Looks at the next file of the round; false where the files could not be found out.
    private func next(_ turn: inout [File], _ debts: inout MendDebts) async -> Bool {
        do {
            if turn.isEmpty { turn = try await files() }
            guard !turn.isEmpty else { return true }
            let gate = installer.gate
            await look(at: turn.removeFirst(), &debts) { try await gate.pass() }
            return true
        } catch {
            if Task.isCancelled { return false }
            logger.warning("blobs not scrubbed", metadata: ["error": "\(ErrorSummary(error).message)"])
            return false
        }
    }

    /// Has all files looked at one after the other, without the pauses of the slow round; returns how many there are.
    package func askRound() async throws -> ScrubRound {
        let files = try await files()
        orders.askRound()
        return ScrubRound(
            files: files.count, bytes: ByteCount(files.reduce(0) { $0 + $1.file.size.bytes }))
    }

    /// Each file that a generation needs, once.
    func files() async throws -> [File] {
        var seen: Set<Digest> = []
        var files: [File] = []
        for slot in try await store.journal.slots() {
            for record in [slot.current, slot.previous].compactMap(\.self) {
                for file in record.content where seen.insert(file.digest).inserted {
                    files.append(File(record: record, file: file))
                }
            }
        }
        return files
    }

    /// Hashes one blob; a rotten or missing one is reported and fetched. What serves from it goes on meanwhile: the
    /// engine has the old file open. `pass` comes before each piece of it.
    private func look(
        at file: File, _ debts: inout MendDebts, pass: @Sendable () async throws -> Void
    ) async {
        let digest = file.file.digest
        guard !debts.holds(digest) else { return }
        do {
            guard try await !store.blobs.scrub(digest, pass: pass) else {
                try await pass()
                return try await lookAtCopy(of: file)
            }
            try await tell(file, "blobRotten", "is damaged on this device; it is fetched again.")
        } catch {
            if Task.isCancelled { return }
            logger.warning("blob not scrubbed", metadata: ["error": "\(ErrorSummary(error).message)"])
            return
        }
        await mend(file, &debts)
    }

    /// What is unpacked or copied from a sound blob.
    private func lookAtCopy(of file: File) async throws {
        guard try await !isWhole(file) else { return }
        try await tell(file, "blobRotten", "is damaged where it is unpacked on this device; that is done anew.")
        switch file.file.role {
        case .engine:
            if let build = file.record.build { try await installer.trees?.renew(build) }
        case .program:
            try programs?.bring(AgentPrograms.program(of: file.record), from: store)
        default: return
        }
        try await tell(file, "blobMended", "is whole again.")
        await orders.mended(file.file.digest)
    }

    private func isWhole(_ file: File) async throws -> Bool {
        switch file.file.role {
        case .engine:
            guard let build = file.record.build, let trees = installer.trees else { return true }
            return try await trees.isWhole(build)
        case .program: return try programs?.isWhole(file.record) ?? true
        default: return true
        }
    }

    private func mend(_ file: File, _ debts: inout MendDebts) async {
        do {
            // Nothing is fetched for what was let go meanwhile.
            guard try await files().contains(where: { $0.file.digest == file.file.digest }) else {
                return debts.paid(file.file.digest)
            }
            try await installer.mend(file.file, of: file.record)
            debts.paid(file.file.digest)
            try await tell(file, "blobMended", "is whole again.")
            await orders.mended(file.file.digest)
            try await lookAtCopy(of: file)
        } catch {
            debts.owe(file, isOfContent: (error as? SlotFailure)?.isOfContent ?? false, now: .now)
            logger.warning("blob not mended", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    private func tell(_ file: File, _ code: String, _ what: String) async throws {
        let names = file.record.paths.map(\.reference).joined(separator: ", ")
        logger.warning("\(code)", metadata: ["blob": "\(file.file.digest)", "slot": "\(file.record.slot)"])
        let report = DeviceReport(
            sequence: 0, time: clock.now, slot: file.record.slot, releases: file.record.paths, code: code,
            message: "\(file.file.digest) of \(names) \(what)")
        try await store.journal.report(ReportBody.write(report))
        changed()
    }
}

/// Between the slots and the scrub: which generations do not serve and are to be looked at first, and whom to tell of
/// blobs that were put in place anew, because engines still have the damaged file open.
package final class RepairOrders: Sendable {
    let wake = WakeSignal()
    private let state = Mutex(State())

    private struct State {
        var suspects: [GenerationRecord] = []
        var isRoundAsked = false
        var observer: (@Sendable (Digest) async -> Void)?
    }

    package init() {}

    /// Looks at a generation's blobs as soon as possible: it does not serve.
    package func suspect(_ record: GenerationRecord) {
        state.withLock { state in
            if !state.suspects.contains(where: { $0.id == record.id }) { state.suspects.append(record) }
        }
        wake.ring()
    }

    /// Wants every file looked at soon.
    func askRound() {
        state.withLock { $0.isRoundAsked = true }
        wake.ring()
    }

    func takeRound() -> Bool {
        state.withLock { state in
            defer { state.isRoundAsked = false }
            return state.isRoundAsked
        }
    }

    /// Calls `observer` with each blob that was put in place anew; takes the place of an earlier one.
    package func onMended(_ observer: @escaping @Sendable (Digest) async -> Void) {
        state.withLock { $0.observer = observer }
    }

    func take() -> [GenerationRecord] {
        state.withLock { state in
            defer { state.suspects = [] }
            return state.suspects
        }
    }

    func mended(_ blob: Digest) async {
        let observer = state.withLock { $0.observer }
        await observer?(blob)
    }
}

/// Blobs that have to be fetched again and could not be: when each is tried next. No I/O.
package struct MendDebts {
    private struct Debt {
        var file: BlobScrub.File
        var failures: Int
        var at: ContinuousClock.Instant
    }

    private var debts: [Digest: Debt] = [:]

    package init() {}

    /// Whether a blob is owed.
    package func holds(_ digest: Digest) -> Bool { debts[digest] != nil }

    /// It was brought, or is not needed any more.
    package mutating func paid(_ digest: Digest) { debts[digest] = nil }

    /// Pauses double; what came wrong costs as much as what comes right, and is tried again once a day at last.
    package mutating func owe(_ file: BlobScrub.File, isOfContent: Bool, now: ContinuousClock.Instant) {
        let failures = (debts[file.file.digest]?.failures ?? 0) + 1
        let isHopeless = isOfContent && failures >= SlotLimits().wrongContents
        let pause = isHopeless ? .seconds(86_400) : min(Self.first * (1 << min(failures - 1, 20)), .seconds(3600))
        debts[file.file.digest] = Debt(file: file, failures: failures, at: now + pause)
    }

    /// What is to be tried now.
    package func due(_ now: ContinuousClock.Instant) -> BlobScrub.File? {
        debts.values.filter { $0.at <= now }.min { $0.at < $1.at }?.file
    }

    /// How long until something is to be done.
    package func wait(upTo interval: Duration, now: ContinuousClock.Instant) -> Duration {
        guard let next = debts.values.map(\.at).min() else { return interval }
        return max(.zero, min(interval, next - now))
    }

    private static let first = Duration.seconds(5)
}

extension ReleaseInstaller {
    /// Brings one file of an installed generation again, from the first of its releases that has it.
    func mend(_ file: GenerationFile, of record: GenerationRecord) async throws {
        var failure: (any Error)?
        for release in record.releases {
            let item = InstallPlan.Item(
                digest: file.digest, size: file.size, repository: release.path.repository, source: .full,
                of: release.path.reference)
            do {
                try await makeRoom(for: [item])
                _ = try await fetch(item)
                return
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
