package import AgentStore
package import Logging
internal import MartletAPI
internal import MartletTypes
internal import ServiceLifecycle
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
            let debts = MendLedger()
            // Whether a whole round was asked for: then nothing is waited for between two files.
            var isRound = false
            while !Task.isCancelled {
                let wait = isRound ? .zero : debts.change { $0.wait(upTo: interval, now: .now) }
                await orders.wake.wait(for: wait)
                if Task.isCancelled { return }
                await lookAtSuspects(debts)
                if orders.takeRound() {
                    isRound = true
                    turn = []
                }
                if let due = debts.change({ $0.due(.now) }) {
                    await mend(due, debts)
                } else if isRound || wait == interval {
                    let wasLooked = await next(&turn, debts)
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

    /// Looks at what does not serve, without giving way: requests may wait for it.
    private func lookAtSuspects(_ debts: MendLedger) async {
        for record in orders.take() {
            for file in record.content { await look(at: File(record: record, file: file), debts, pass: {}) }
        }
    }

    /// Looks at the next file of the round; false where the files could not be found out.
    private func next(_ turn: inout [File], _ debts: MendLedger) async -> Bool {
        do {
            if turn.isEmpty { turn = try await files() }
            guard !turn.isEmpty else { return true }
            var gate = installer.gate
            // A file takes hours on a busy board, and waits for ever on a hot one: what is urgent goes before.
            gate.meanwhile = {
                await lookAtSuspects(debts)
                if let due = debts.change({ $0.due(.now) }) { await mend(due, debts) }
            }
            let passed = gate
            await look(at: turn.removeFirst(), debts) { try await passed.pass() }
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
            for record in slot.kept {
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
        at file: File, _ debts: MendLedger, pass: @Sendable () async throws -> Void
    ) async {
        let digest = file.file.digest
        guard !debts.change({ $0.holds(digest) }) else { return }
        do {
            guard try await !store.blobs.scrub(digest, pass: pass) else {
                try await pass()
                return try await lookAtCopy(of: file)
            }
            try await tell(file, SlotFailure.rottenCode) { SlotFailure.isRotten(digest, of: $0) }
        } catch {
            if Task.isCancelled { return }
            logger.warning("blob not scrubbed", metadata: ["error": "\(ErrorSummary(error).message)"])
            return
        }
        await mend(file, debts)
    }

    /// What is unpacked or copied from a sound blob.
    private func lookAtCopy(of file: File) async throws {
        guard try await !isWhole(file) else { return }
        try await tell(file, SlotFailure.rottenCode) {
            "\(file.file.digest) of \($0) is damaged where it is unpacked on this device; that is done anew."
        }
        switch file.file.role {
        case .engine:
            if let build = file.record.build { try await installer.trees?.renew(build) }
        case .program:
            if let programs { try await ProgramCopies().bring(file.record, programs, from: store) }
        default: return
        }
        try await tellMended(file)
    }

    private func isWhole(_ file: File) async throws -> Bool {
        switch file.file.role {
        case .engine:
            guard let build = file.record.build, let trees = installer.trees else { return true }
            return try await trees.isWhole(build)
        case .program:
            guard let programs else { return true }
            return try await ProgramCopies().isWhole(file.record, programs)
        default: return true
        }
    }

    private func mend(_ file: File, _ debts: MendLedger) async {
        let digest = file.file.digest
        debts.change { $0.begin(digest) }
        do {
            // Nothing is fetched for what was let go meanwhile.
            guard try await files().contains(where: { $0.file.digest == digest }) else {
                return debts.change { $0.paid(digest) }
            }
            var installer = installer
            // What else does not serve need not be fetched to be found out about.
            installer.gate.meanwhile = { await lookAtSuspects(debts) }
            try await installer.mend(file.file, of: file.record)
            debts.change { $0.paid(digest) }
            try await tellMended(file)
            try await lookAtCopy(of: file)
        } catch {
            let isOfContent = (error as? SlotFailure)?.isOfContent ?? false
            debts.change { $0.owe(file, isOfContent: isOfContent, now: .now) }
            logger.warning("blob not mended", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    private func tellMended(_ file: File) async throws {
        try await tell(file, "blobMended") { "\(file.file.digest) of \($0) is whole again." }
        await orders.mended(file.file.digest)
    }

    private func tell(_ file: File, _ code: String, _ sentence: (String) -> String) async throws {
        let names = file.record.paths.map(\.reference).joined(separator: ", ")
        logger.warning("\(code)", metadata: ["blob": "\(file.file.digest)", "slot": "\(file.record.slot)"])
        let report = DeviceReport(
            sequence: 0, time: clock.now, slot: file.record.slot, releases: file.record.paths, code: code,
            message: sentence(names))
        try await store.journal.report(ReportBody.write(report))
        changed()
    }
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
