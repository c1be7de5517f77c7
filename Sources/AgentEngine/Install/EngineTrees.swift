package import AgentStore
internal import BundleFormat
internal import Glibc
package import MartletTypes
package import ModelRuntime

/// Engines that came as releases, unpacked side by side below the data folder: one folder for each archive, by its
/// digest, whole or not there at all.
package actor EngineTrees {
    /// Whole trees are hashed.
    package nonisolated var unownedExecutor: UnownedSerialExecutor { StorageThread.trees.asUnownedSerialExecutor() }

    /// Unpacks an archive into an empty folder, at most so many bytes. Throws where the archive is refused.
    package typealias Unpack = @Sendable (_ archive: String, _ folder: String, _ limit: ByteCount) async throws -> Void

    private let store: AgentStore
    private let unpack: Unpack
    private var turn = Turn()

    package init(store: AgentStore, unpack: @escaping Unpack) {
        self.store = store
        self.unpack = unpack
    }

    /// Unpacks in a child of this program that is confined as engines are: no network, no file but these two.
    /// `program` is what is called there; nil is this very one.
    package init(
        store: AgentStore, confinement: Confinement, program: String? = nil, seconds: Int = AgentLimits.unpackSeconds
    ) {
        let call = ConfinedCall(confinement: confinement, program: program)
        let bounds = ConfinedCall.Bounds(seconds: seconds, bytes: AgentLimits.childAnswerBytes)
        self.init(store: store) { archive, folder, limit in
            let answer = try await call.ask(
                [EngineTrees.verb, archive, folder, String(limit.bytes)], readable: [archive], writable: [folder],
                bounds)
            try EngineTrees.judge(answer, bounds)
        }
    }

    /// What an answer of the child amounts to. What this box did to it, or its disk, is not held against the archive.
    private static func judge(_ answer: ConfinedCall.Answer, _ bounds: ConfinedCall.Bounds) throws(SlotFailure) {
        let words: String
        do throws(NoAnswer) {
            words = try answer.words(within: bounds)
        } catch {
            let sentence = "The program that unpacks it did not come through: \(error.how)."
            guard error.isOfBox else { throw refused(sentence) }
            throw .hindered(failed, "The engine's archive is not unpacked. \(sentence)")
        }
        guard words != done else { return }
        // A code, and the sentence.
        let parts = words.split(separator: "\n").last?.split(separator: " ", maxSplits: 1) ?? []
        guard parts.count == 2 else { throw refused("The program that unpacks it ended without a word.") }
        let code = String(parts[0])
        let sentence = String(parts[1]).asWordsOfChild
        guard code == BundleError.Code.storageFailed.rawValue else { throw refused(sentence) }
        throw SlotFailure(.retry, code: code, message: "The engine's archive could not be unpacked: \(sentence)")
    }

    private static func refused(_ sentence: String) -> SlotFailure {
        SlotFailure(.final, code: "engineRefused", message: "The engine's archive is refused: \(sentence)")
    }

    /// The code of an archive that this box may have kept from being unpacked.
    static let failed = "engineUnpackFailed"

    /// The program of a build, unpacked where it is not yet. Throws `SlotFailure`.
    ///
    /// One that is there waits for nothing, so that an engine is started again while another is unpacked or hashed.
    package nonisolated func program(of build: EngineBuild) async throws -> String {
        if let path = unpackedProgram(of: build) { return path }
        return try await bringProgram(of: build)
    }

    private nonisolated func unpackedProgram(of build: EngineBuild) -> String? {
        Self.places.map { folder(build.archive) + "/" + $0 }.first { access($0, X_OK) == 0 }
    }

    private func bringProgram(of build: EngineBuild) async throws -> String {
        await enter()
        defer { turn.give() }
        let folder = self.folder(build.archive)
        if store.files.status(folder) == nil { try await bring(build, to: folder) }
        if let path = unpackedProgram(of: build) { return path }
        throw SlotFailure(
            .final, code: "engineMissing",
            message: "The engine \(build.name) \(build.version) holds no \(Self.places.joined(separator: " or ")).")
    }

    /// Bytes that unpacking a build would take; none where it is unpacked. What an earlier try left is removed.
    package nonisolated func room(for build: EngineBuild) async throws -> ByteCount {
        guard store.files.status(folder(build.archive)) == nil else { return .zero }
        return try await room(toUnpack: build)
    }

    private func room(toUnpack build: EngineBuild) async throws -> ByteCount {
        await enter()
        defer { turn.give() }
        let folder = self.folder(build.archive)
        guard store.files.status(folder) == nil else { return .zero }
        if store.files.status(folder + Self.fresh) != nil { try store.files.removeTree(folder + Self.fresh) }
        return build.unpacked
    }

    /// Whether an unpacked build is, byte for byte, what was unpacked. One that is not unpacked now is none that rots.
    package func isWhole(_ build: EngineBuild) async throws -> Bool {
        await enter()
        defer { turn.give() }
        let folder = self.folder(build.archive)
        guard store.files.status(folder) != nil else { return true }
        guard let sum = try store.files.contents(of: folder + Self.sum) else { return false }
        do throws(BundleError) {
            return Array(try EngineTree.digest(of: folder).text.utf8) == sum
        } catch {
            // What the disk does not give back any more is damaged too.
            return false
        }
    }

    /// Unpacks a build anew. What runs from the damaged files keeps them until it is started again.
    package func renew(_ build: EngineBuild) async throws {
        await enter()
        defer { turn.give() }
        let folder = self.folder(build.archive)
        let aside = folder + ".old"
        // At once, so that nothing is started from a folder of which a part is gone.
        try store.files.removeTree(aside)
        if store.files.status(folder) != nil { try store.files.rename(folder, to: aside) }
        try store.files.removeTree(aside)
        try await bring(build, to: folder)
    }

    /// Removes what no generation needs: of all blobs that some need, the archives are the ones that count here. What
    /// cannot be removed keeps nothing else; the first such error is thrown in the end.
    package func collect(keeping archives: Set<Digest>) async throws {
        await enter()
        defer { turn.give() }
        guard store.files.status(root) != nil else { return }
        let kept = Set(archives.flatMap { [$0.hex, $0.hex + Self.sum] })
        var failures = FirstFailure()
        for name in try store.files.names(in: root) where !kept.contains(name) {
            failures.note { () throws(AgentStoreError) in try store.files.removeTree(root + "/" + name) }
        }
        try failures.end()
    }

    private func bring(_ build: EngineBuild, to folder: String) async throws {
        guard store.blobs.has(build.archive, size: build.size) else {
            throw SlotFailure(
                .retry, code: "blobMissing",
                message: "The archive of the engine \(build.name) is not in the store any more.")
        }
        let files = store.files
        let fresh = folder + Self.fresh
        // A part that rotted may unpack without a complaint, to another program.
        try await checkArchive(of: build)
        do {
            try files.makeFolder(root, mode: 0o755)
            try files.removeTree(fresh)
            try await store.blobs.makeSure(roomFor: build.unpacked)
            try files.makeFolder(fresh, mode: 0o755)
            try await unpack(store.blobs.path(of: build.archive), fresh, build.unpacked)
            // Before the folder has its name: a whole one always has its sum.
            try files.writeAtomically(Array(EngineTree.digest(of: fresh).text.utf8), to: folder + Self.sum)
            try files.rename(fresh, to: folder)
            try files.synchronizeFolder(root)
        } catch {
            // What is left is removed before the next try, or collected.
            let failure = SlotFailure.from(error, otherwise: .retry)
            if failure.kind == .final { try await checkArchive(of: build) }
            throw failure
        }
    }

    /// Throws where the archive has rotted on this disk; then it is not there any more, and comes again.
    private func checkArchive(of build: EngineBuild) async throws {
        guard try await !store.blobs.scrub(build.archive) else { return }
        throw SlotFailure.rotten(build.archive, of: "\(build.name) \(build.version)")
    }

    /// After a folder's name: the file with the digest of all that is in it.
    private static let sum = ".sum"

    /// After a folder's name while it is unpacked.
    private static let fresh = ".new"

    private nonisolated var root: String { store.layout.engines }

    private nonisolated func folder(_ archive: Digest) -> String { root + "/" + archive.hex }

    private func enter() async {
        if turn.take() { return }
        await withCheckedContinuation { turn.wait($0) }
    }

    /// Where builds have their server.
    private static let places = ["bin/llama-server", "llama-server", "build/bin/llama-server", "usr/bin/llama-server"]

    /// The hidden command of this program that unpacks, and what it prints in the end.
    package static let verb = "unpack-engine"
    package static let done = "unpacked\n"

    static let notTaken = SlotFailure(
        .final, code: "unsupportedKind", message: "This device takes no engines as releases.")

    /// What the hidden command does; without success a code and a sentence. Blocks.
    package static func unpackHere(_ archive: String, _ folder: String, limit: ByteCount) -> String {
        do throws(BundleError) {
            try EngineTree.unpack(archive, into: folder, limit: limit)
            return done
        } catch {
            return "\(error.code) \(error.message)\n"
        }
    }
}

extension EngineTools {
    /// The program of a generation's own build.
    func program(of build: EngineBuild) async throws -> String {
        guard let trees else { throw EngineTrees.notTaken }
        return try await trees.program(of: build)
    }
}
