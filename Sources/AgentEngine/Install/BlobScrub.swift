package import AgentStore
package import Logging
internal import MartletAPI
internal import MartletTypes
internal import ServiceLifecycle
internal import Trust

/// Hashes what generations need again, one blob after the other and slowly, and fetches anew what has rotted.
package struct BlobScrub: Service {
    private let store: AgentStore
    private let installer: ReleaseInstaller
    private let clock: AgentClock
    private let interval: Duration
    private let logger: Logger
    private let changed: @Sendable () -> Void

    /// `interval` passes between two blobs.
    package init(
        store: AgentStore, installer: ReleaseInstaller, clock: AgentClock, interval: Duration = .seconds(600),
        logger: Logger, changed: @escaping @Sendable () -> Void = {}
    ) {
        self.store = store
        self.installer = installer
        self.clock = clock
        self.interval = interval
        self.logger = logger
        self.changed = changed
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    for file in try await files() {
                        await Pause.take(interval)
                        if Task.isCancelled { return }
                        try await look(at: file)
                    }
                } catch {
                    logger.warning("blobs not scrubbed", metadata: ["error": "\(ErrorSummary(error).message)"])
                }
                await Pause.take(interval)
            }
        }
    }

    /// A weight file with the release that it belongs to.
    struct File: Sendable {
        let record: GenerationRecord
        let file: GenerationFile
    }

    /// Each file that a generation needs, once.
    func files() async throws -> [File] {
        var seen: Set<Digest> = []
        var files: [File] = []
        for slot in try await store.journal.slots() {
            for record in [slot.current, slot.previous].compactMap(\.self) {
                for file in record.files where seen.insert(file.digest).inserted {
                    files.append(File(record: record, file: file))
                }
            }
        }
        return files
    }

    /// Hashes one blob; a rotten or missing one is reported and fetched. What serves from it goes on: the engine has
    /// the old file open.
    func look(at file: File) async throws {
        let digest = file.file.digest
        guard try await !store.blobs.scrub(digest) else { return }
        let names = file.record.paths.map(\.reference).joined(separator: ", ")
        try await tell(file, "blobRotten", "\(digest) of \(names) is damaged on this device; it is fetched again.")
        do {
            try await installer.mend(file.file, of: file.record)
            try await tell(file, "blobMended", "\(digest) of \(names) is whole again.")
        } catch {
            logger.warning("blob not mended", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    private func tell(_ file: File, _ code: String, _ message: String) async throws {
        logger.warning("\(code)", metadata: ["blob": "\(file.file.digest)", "slot": "\(file.record.slot)"])
        let report = DeviceReport(
            sequence: 0, time: clock.now, slot: file.record.slot, releases: file.record.paths, code: code,
            message: message)
        try await store.journal.report(ReportBody.write(report))
        changed()
    }
}

extension ReleaseInstaller {
    /// Brings one file of an installed generation again, from the first of its releases that has it.
    func mend(_ file: GenerationFile, of record: GenerationRecord) async throws {
        var failure: (any Error)?
        for release in record.releases {
            do {
                _ = try await fetch(
                    InstallPlan.Item(
                        digest: file.digest, size: file.size, repository: release.path.repository, source: .full,
                        of: release.path.reference))
                return
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
