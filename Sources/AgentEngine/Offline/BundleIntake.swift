package import AgentStore
internal import BundleFormat
package import Logging
internal import MartletAPI
internal import MartletTypes
internal import Synchronization
package import Trust

/// Takes a bundle in: the same checks as over the network, from the root down to the last byte, and the same way of a
/// slot afterwards. The bundle comes from whoever runs `martlet-agent install`, as a stream.
///
/// Nothing is assigned before every blob that the device's own plan names is in the store, checked. A run that ends in
/// the middle leaves unfinished blobs, which the next one goes on from. Reading blocks, so it has a thread of its own.
package actor BundleIntake {
    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private let thread = StorageThread()
    private let store: AgentStore
    private let trust: TrustKeeper
    private let sync: AssignmentSync
    private let agent: DeviceAgent
    private let installer: ReleaseInstaller
    private let clock: AgentClock
    private let policy: LocalPolicy
    private let logger: Logger
    private var isBusy = false

    package init(
        store: AgentStore, trust: TrustKeeper, sync: AssignmentSync, agent: DeviceAgent, installer: ReleaseInstaller,
        clock: AgentClock, policy: LocalPolicy, logger: Logger
    ) {
        self.store = store
        self.trust = trust
        self.sync = sync
        self.agent = agent
        self.installer = installer
        self.clock = clock
        self.policy = policy
        self.logger = logger
    }

    /// What shall be done with a bundle.
    struct Order: Sendable {
        /// An open stream of the bundle's bytes, which belongs to the intake.
        var descriptor: Int32
        /// Whether the superuser asks.
        var isRoot: Bool
        /// The slot for a bundle without an assignment.
        var slot: SlotName?
    }

    /// Throws `busy`, `bundleRefused`, `bundleExpired`, `bundleForOthers`, `offlineInstallRefused`, `BundleError`, the
    /// refusals of assignments, and what a plan of this device refuses, by its code.
    func take(_ order: Order) async throws -> InstallAnswer.Done {
        let file = try BundleFile(descriptor: order.descriptor)
        guard !isBusy else {
            throw AgentError(.bundleRefused, "Another bundle is being taken in.", remedy: "Wait until that is done.")
        }
        isBusy = true
        defer { isBusy = false }
        let front = try file.front()
        try permit(front, order)
        trust.source.use(front)
        defer { trust.source.use(nil) }
        try await trust.takeUp(front)
        await noteTakenBack()
        try await installer.keepSignatures(of: front)
        let targets = try await targets(front, order)
        var wanted: [Digest: InstallPlan.Item] = [:]
        for (slot, target) in targets {
            for item in try await plan(slot, target, front) where item.source == .full { wanted[item.digest] = item }
        }
        let bytes = try await bring(wanted, from: file)
        try await assign(targets, front, order)
        logger.notice(
            "bundle taken in",
            metadata: [
                "releases": "\(front.releases.map(\.path.reference).joined(separator: ", "))", "bytes": "\(bytes)",
            ])
        return InstallAnswer.Done(
            slots: targets.reduce(into: [:]) { $0[$1.slot] = $1.target.paths }, bytes: ByteCount(bytes))
    }

    /// Yanks and floors come by bundle too, as far as it has the parts of the metadata that say so.
    private func noteTakenBack() async {
        do {
            try await sync.lookForTakenBack()
        } catch {
            logger.debug(
                "the bundle does not tell of all releases here", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    // MARK: - What to install

    /// Refuses what is not for this device before any of it is taken up.
    private func permit(_ front: BundleFront, _ order: Order) throws {
        guard let device = try store.identity.load()?.device else { throw AgentError.notEnrolled }
        guard front.assignments.isEmpty else {
            guard front.assignments[device] == nil else { return }
            let others = front.assignments.keys.sorted().prefix(5).map(\.text).joined(separator: ", ")
            throw AgentError(
                .bundleForOthers, "The bundle is for \(others), not for this device, \(device).",
                remedy: "Make one with `martlet export --device \(device)`.", fault: .peer)
        }
        guard policy.offlineInstall == .allowed, order.isRoot else {
            throw AgentError(
                .offlineInstallRefused,
                policy.offlineInstall == .allowed
                    ? "The bundle holds no assignment, and only root may install one that does not."
                    : "The bundle holds no assignment, and this device's own policy refuses such bundles.",
                remedy:
                    "Make one with `martlet export --device \(device)`, or set \"offlineInstall\": \"allowed\" in the "
                    + "device's configuration and install as root.")
        }
    }

    private typealias Wanted = (slot: SlotName, target: SlotTarget)

    private func targets(_ front: BundleFront, _ order: Order) async throws -> [Wanted] {
        if let device = try store.identity.load()?.device, let bytes = front.assignments[device] {
            return try await assigned(bytes, front)
        }
        return [try await chosen(front, order)]
    }

    /// The slots of the device's assignment whose releases the bundle brings; the others stay as they are.
    private func assigned(_ bytes: [UInt8], _ front: BundleFront) async throws -> [Wanted] {
        let assignment: Assignment
        do {
            assignment = try await sync.verified(bytes)
        } catch let refusal as Assignment.Refusal {
            throw AssignmentRefusal(refusal)
        }
        let paths = Set(front.releases.map(\.path))
        let slots = assignment.slots.filter { paths.isSuperset(of: $0.value.releases.map(\.path)) }
        guard !slots.isEmpty else {
            throw AgentError.bundleRefused(
                "The bundle holds none of the releases that are assigned to this device.",
                remedy: "Make one with `martlet export --device` and no release: it takes those that are assigned.")
        }
        return slots.sorted { $0.key < $1.key }.map { slot, wanted in
            (slot, SlotTarget(assignment: wanted, number: assignment.number, expires: assignment.expires))
        }
    }

    /// The bundle's one release in the slot that root named: a local decision against the last assignment.
    private func chosen(_ front: BundleFront, _ order: Order) async throws -> Wanted {
        guard let slot = order.slot else {
            throw AgentError(
                .offlineInstallRefused, "The bundle does not say which slot it is for.", remedy: "Give --slot NAME.")
        }
        // The base of an adapter comes with it and is not run by itself.
        var bases: Set<ReleasePath> = []
        for release in front.releases {
            if let base = try front.index(of: release).base { bases.insert(base.release) }
        }
        let mains = front.releases.filter { !bases.contains($0.path) }
        let assigned = mains.map {
            AssignedRelease(path: $0.path, indexDigest: $0.index.digest, length: $0.index.size.bytes)
        }
        guard assigned.count <= Limits.adaptersPerSlot else {
            throw AgentError.bundleRefused("The bundle holds more releases than a slot takes.")
        }
        let number = try await store.journal.mark(.assignmentNumber)
        return (
            slot,
            SlotTarget(
                assignment: SlotAssignment(releases: assigned, generation: number), number: number,
                expires: try Self.timestampEnds(front))
        )
    }

    /// The end of the bundle's timestamp, which was verified when it was taken up.
    private static func timestampEnds(_ front: BundleFront) throws -> Timestamp {
        let bytes = front.metadata["timestamp.json"] ?? []
        guard let text = try JSONValue(parsing: bytes)["signed"]?["expires"]?.string else {
            throw AgentError.bundleRefused("The bundle's timestamp does not say when it ends.")
        }
        return try Timestamp(text)
    }

    // MARK: - Bringing it

    /// What the slot's driver will plan, once its documents are in the store; its blobs are held from the collector.
    private func plan(_ slot: SlotName, _ target: SlotTarget, _ front: BundleFront) async throws -> [InstallPlan.Item] {
        var documents: Set<Digest> = []
        for release in front.releases where target.paths.contains(release.path) {
            documents.insert(release.index.digest)
            documents.formUnion(try front.index(of: release).variants.map(\.descriptor.digest))
        }
        await agent.hold(documents, for: slot)
        for digest in documents {
            if let bytes = front.manifests[digest] { try await store.blobs.put(bytes, as: digest) }
        }
        let record = try await store.journal.slots().first { $0.slot == slot } ?? SlotRecord(slot: slot)
        do {
            let plan = try await installer.plan(target, record: record)
            await agent.hold(Set(plan.blobs), for: slot)
            return plan.items
        } catch let failure as SlotFailure {
            throw IntakeRefusal(slot: slot, failure: failure)
        }
    }

    /// Stores what is wanted and passes over the rest; returns the bytes that were stored.
    private func bring(_ wanted: [Digest: InstallPlan.Item], from file: BundleFile) async throws -> Int64 {
        var bytes: Int64 = 0
        while let blob = try file.nextBlob() {
            guard let item = wanted[blob.digest], item.size == blob.size,
                let partial = try await installer.opened(item)
            else { continue }
            let start = partial.offset.bytes
            do {
                try file.read(to: BlobFeed(partial, skipping: start).take)
                try await store.blobs.commit(partial)
            } catch {
                partial.close()
                throw error
            }
            bytes += blob.size.bytes - start
        }
        return bytes
    }

    private func assign(_ targets: [Wanted], _ front: BundleFront, _ order: Order) async throws {
        let device = try store.identity.load()?.device
        if let device, let bytes = front.assignments[device] {
            try await sync.accept(bytes)
        } else {
            for (slot, target) in targets { await agent.install(target, in: slot) }
        }
        let names = targets.map { "\($0.slot): \($0.target.paths.map(\.reference).joined(separator: "+"))" }
        try await store.journal.report(
            ReportBody.write(
                .init(
                    sequence: 0, time: clock.now, code: "bundleInstalled",
                    message: "A bundle was brought to this device (\(names.joined(separator: ", "))).")))
    }
}

/// Why this device's plan refuses what a bundle brings.
struct IntakeRefusal: MartletError {
    let slot: SlotName
    let failure: SlotFailure

    var code: String { failure.code }
    var message: String { "Slot \(slot): \(failure.message)" }
    var remedy: String { "" }
    var fault: ErrorFault { .caller }
}

/// Feeds a blob's bytes to its file, from where an earlier run stopped.
private final class BlobFeed: Sendable {
    private let partial: PartialBlob
    private let start: Int64
    private let place = Mutex<Int64>(0)

    init(_ partial: PartialBlob, skipping start: Int64) {
        self.partial = partial
        self.start = start
    }

    @Sendable func take(_ piece: UnsafeRawBufferPointer) throws {
        let length = Int64(piece.count)
        let before = place.withLock { place in
            defer { place += length }
            return place
        }
        let skipped = min(Int64(piece.count), max(0, start - before))
        guard skipped < Int64(piece.count) else { return }
        try partial.append(UnsafeRawBufferPointer(rebasing: piece[Int(skipped)...]))
    }
}
