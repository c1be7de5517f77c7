import AgentStore
import Foundation
import Glibc
import MartletTypes
import Synchronization
import TestSupport
import Testing

@Suite("The blob store's upkeep")
struct BlobUpkeepTests {
    let scene: Scene
    let store: AgentStore

    init() async throws {
        scene = try Scene()
        store = try await scene.open()
    }

    private func references() async throws -> Set<Digest> {
        try await store.journal.slots().reduce(into: []) { $0.formUnion($1.blobs) }
    }

    @Test("collects what no slot names: never a blob of the current, previous, candidate or planned generation")
    func collection() async throws {
        var blobs: [Digest] = []
        for seed in 20..<28 as Range<UInt64> {
            blobs.append(try await store.blobs.bring(Sample.bytes(100 + Int(seed), seed: seed)))
        }
        var record = SlotRecord(slot: try SlotName("triage"))
        record.previous = try Sample.generation(1, weights: [blobs[0], blobs[1]])
        record.current = try Sample.generation(2, weights: [blobs[0], blobs[2]], documents: [blobs[3]])
        record.candidate = try Sample.generation(3, weights: [blobs[0], blobs[4]])
        record.planned = [blobs[5]]
        try await store.journal.save(record, transition: nil)
        let gone = try await store.blobs.collect { try await references() }
        #expect(gone.blobs == 2)
        #expect(gone.bytes == ByteCount(126 + 127))
        for digest in blobs[..<6] { #expect(store.blobs.has(digest)) }
        for digest in blobs[6...] { #expect(!store.blobs.has(digest)) }
        #expect(try await store.blobs.collect { try await references() }.blobs == 0)
    }

    @Test("spares every blob that a record can name", arguments: 0..<6)
    func everyField(field: Int) async throws {
        let digest = try await store.blobs.bring(Sample.bytes(64, seed: 30))
        var generation = try Sample.generation(1)
        switch field {
        case 0: generation = try Sample.generation(1, weights: [digest])
        case 1: generation.documents = [digest]
        case 2: generation.probes = digest
        case 3: generation.evaluation = digest
        case 4: generation.chatTemplate = digest
        default: generation = try Sample.generation(1, weights: [Digest.of([0]), digest])
        }
        var record = SlotRecord(slot: try SlotName("triage"))
        record.previous = generation
        try await store.journal.save(record, transition: nil)
        #expect(try await store.blobs.collect { try await references() }.blobs == 0)
        #expect(store.blobs.has(digest))
    }

    @Test("collects unfinished blobs, strays and leftovers, and spares those that a plan names")
    func unfinished() async throws {
        let planned = Digest.of([1])
        let stale = Digest.of([2])
        for digest in [planned, stale] {
            let partial = try await store.blobs.open(digest, size: ByteCount(10))
            try partial.append([0, 0])
            partial.close()
        }
        for name in ["partial/notes.txt", "partial/sha256-xyz", "blobs/sha256/stray", "blobs/sha512/\(stale.hex)"] {
            try Data([1]).write(to: URL(fileURLWithPath: "\(scene.root)/\(name)"))
        }
        let gone = try await store.blobs.collect { [planned] }
        #expect(gone.blobs == 5)
        #expect(store.blobs.partialSize(planned) == ByteCount(2))
        #expect(try store.files.names(in: scene.layout.partial).count == 1)
        #expect(try store.files.names(in: scene.layout.blobs).isEmpty)
    }

    @Test("never takes a blob that arrives while it reads the references")
    func arrival() async throws {
        let blobs = store.blobs
        let old = try await blobs.bring([1])
        let gone = try await blobs.collect {
            try await blobs.bring([2])
            return []
        }
        #expect(gone.blobs == 1)
        #expect(!blobs.has(old))
        #expect(blobs.has(Digest.of([2])))
    }

    @Test("removes nothing where the references cannot be read")
    func unreadableReferences() async throws {
        let digest = try await store.blobs.bring([1])
        #expect(
            await code {
                _ = try await store.blobs.collect { throw AgentStoreError(.journalUnusable, "x") }
            } == .journalUnusable)
        #expect(store.blobs.has(digest))
    }

    @Test(
        "finds one flipped bit, wherever it is, and puts the blob aside",
        arguments: [0, 1_048_575, 1_048_576, 2_500_000])
    func scrub(position: Int) async throws {
        var bytes = Sample.bytes(2_500_001, seed: 40)
        let digest = try await store.blobs.bring(bytes)
        #expect(try await store.blobs.scrub(digest))
        bytes[position] ^= 0x10
        try Data(bytes).write(to: URL(fileURLWithPath: scene.layout.blob(digest)))
        #expect(try await !store.blobs.scrub(digest))
        #expect(!store.blobs.has(digest))
        #expect(try store.files.names(in: scene.layout.quarantine) == ["1-\(digest.hex)"])
        #expect(try await !store.blobs.scrub(digest), "an absent blob is not a sound one")
        bytes[position] ^= 0x10
        try await store.blobs.bring(bytes)
        #expect(try await store.blobs.scrub(digest))
    }

    @Test("takes what the disk does not give back any more for damaged")
    func badSector() async throws {
        let files = FaultyFileSystem()
        let scene = try Scene()
        let store = try await scene.open(files: files)
        let digest = try await store.blobs.bring(Sample.bytes(5_000, seed: 42))
        files.spoil(scene.layout.blob(digest))
        #expect(try await !store.blobs.scrub(digest))
        #expect(!store.blobs.has(digest))
        try await store.blobs.bring(Sample.bytes(5_000, seed: 42))
        #expect(store.blobs.has(digest))
        await store.close()
    }

    @Test("takes nothing for damaged where it is called off, and reads no unfinished blob through")
    func cancelled() async throws {
        let digest = try await store.blobs.bring(Sample.bytes(5_000, seed: 43))
        let unfinished = Digest.of([4])
        let partial = try await store.blobs.open(unfinished, size: ByteCount(50))
        try partial.append([UInt8](repeating: 0, count: 20))
        partial.close()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            #expect(await code { _ = try await store.blobs.scrub(digest) } == .cancelled)
            #expect(await code { _ = try await store.blobs.open(unfinished, size: ByteCount(50)) } == .cancelled)
        }
        await task.value
        #expect(store.blobs.has(digest))
        #expect(try await store.blobs.scrub(digest))
        let again = try await store.blobs.open(unfinished, size: ByteCount(50))
        #expect(again.offset == ByteCount(20))
        again.close()
    }

    @Test("lets others have their turn while it reads a large blob")
    func turns() async throws {
        let files = FaultyFileSystem()
        let copy = try scene.copied()
        let store = try await copy.open(files: files)
        let pieces = 20
        let large = try await store.blobs.bring(
            [UInt8](repeating: 7, count: pieces * AgentStoreLimits.chunkBytes))
        let small: [UInt8] = [1, 2, 3]
        try await store.blobs.put(small, as: .of(small))
        let reads = Mutex(0)
        let isAsking = Mutex(false)
        let isAnswered = Mutex(false)
        files.watch(copy.layout.blob(large)) {
            reads.withLock { $0 += 1 }
            let end = ContinuousClock.now + .seconds(60)
            while !isAsking.withLock({ $0 }), ContinuousClock.now < end { usleep(1000) }
            if !isAnswered.withLock({ $0 }) { usleep(100_000) }
        }
        let blobs = store.blobs
        let scrubbing = Task { try await blobs.scrub(large) }
        try await eventually(within: 60, "it reads") { reads.withLock { $0 } > 0 }
        isAsking.withLock { $0 = true }
        #expect(try await blobs.document(.of(small), limit: 10) == small)
        #expect(reads.withLock { $0 } < pieces)
        isAnswered.withLock { $0 = true }
        #expect(try await scrubbing.value)
        await store.close()
    }

    @Test("finds a blob that lost or gained bytes")
    func lengths() async throws {
        let bytes = Sample.bytes(1000, seed: 41)
        for changed in [Array(bytes.dropLast()), bytes + [0], []] {
            let digest = try await store.blobs.bring(bytes)
            try Data(changed).write(to: URL(fileURLWithPath: scene.layout.blob(digest)))
            #expect(try await !store.blobs.scrub(digest))
        }
    }

    @Test("removes what is damaged and large, which would take the room of the sound one")
    func largeBlob() async throws {
        let bytes = [UInt8](repeating: 7, count: Int(AgentStoreLimits.keptAsideBytes.bytes) + 1)
        let digest = try await store.blobs.bring(bytes)
        try Data(bytes + [0]).write(to: URL(fileURLWithPath: scene.layout.blob(digest)))
        #expect(try await !store.blobs.scrub(digest))
        #expect(!store.blobs.has(digest))
        #expect(try store.files.names(in: scene.layout.quarantine).isEmpty)
        // What an agent before this one put aside goes too.
        try Data(bytes).write(to: URL(fileURLWithPath: "\(scene.layout.quarantine)/\(digest.hex)"))
        _ = try await store.blobs.collect { [] }
        #expect(try store.files.names(in: scene.layout.quarantine).isEmpty)
    }

    @Test("keeps few of what it put aside, the last ones")
    func boundedQuarantine() async throws {
        var last: [String] = []
        for seed in 50..<62 as Range<UInt64> {
            let digest = try await store.blobs.bring(Sample.bytes(10, seed: seed))
            try Data([0]).write(to: URL(fileURLWithPath: scene.layout.blob(digest)))
            _ = try await store.blobs.scrub(digest)
            last.append(digest.hex)
        }
        #expect(try store.files.names(in: scene.layout.quarantine).count == 12)
        _ = try await store.blobs.collect { [] }
        let kept = try store.files.names(in: scene.layout.quarantine)
        #expect(kept.map { String($0.drop { $0 != "-" }.dropFirst()) } == last.suffix(3))
    }

    @Test("lets other work through before each eight MiB that it hashes, and ends where that is called off")
    func pieces() async throws {
        let bytes = Sample.bytes(20 * 1024 * 1024, seed: 62)
        let digest = Digest.of(bytes)
        try await store.blobs.bring(bytes)
        let passed = Mutex(0)
        let count: @Sendable () -> Int = {
            passed.withLock {
                $0 += 1
                return $0
            }
        }
        #expect(try await store.blobs.scrub(digest) { _ = count() })
        #expect(passed.withLock { $0 } == 3)
        await #expect(throws: CancellationError.self) {
            _ = try await store.blobs.scrub(digest) { if count() == 5 { throw CancellationError() } }
        }
        #expect(store.blobs.has(digest) && passed.withLock { $0 } == 5)
        // What is let go of meanwhile is neither damaged nor put aside.
        let blobs = store.blobs
        #expect(try await blobs.scrub(digest) { if count() == 7 { _ = try await blobs.collect { [] } } })
        #expect(try store.files.names(in: scene.layout.quarantine).isEmpty)
    }

    @Test("counts finished and unfinished blobs as used")
    func usage() async throws {
        try await store.blobs.bring(Sample.bytes(1000, seed: 60))
        try await store.blobs.put([1, 2, 3], as: Digest.of([1, 2, 3], .sha512))
        let partial = try await store.blobs.open(Digest.of([9]), size: ByteCount(50))
        try partial.append([UInt8](repeating: 0, count: 20))
        #expect(try await store.blobs.usage() == ByteCount(1023))
        partial.close()
    }

    @Test("refuses what would break the budget before a byte is fetched, and says by how much")
    func budget() async throws {
        let blobs = BlobStore(
            layout: scene.layout, files: RealFileSystem(), budget: DiskBudget(limit: ByteCount(10_000), reserve: .zero))
        try await blobs.bring(Sample.bytes(4_000, seed: 61))
        try await blobs.makeSure(roomFor: ByteCount(6_000))
        #expect(try await blobs.room() == ByteCount(6_000))
        let error = await #expect(throws: AgentStoreError.self) { try await blobs.makeSure(roomFor: ByteCount(6_001)) }
        #expect(error?.reason == .diskFull)
        #expect(error?.message.contains("5.9 KiB") == true && error?.message.contains("9.8 KiB") == true)
        #expect(error?.remedy.contains("budget") == true)
        #expect(try store.files.names(in: scene.layout.partial).isEmpty)
    }

    @Test("leaves the reserve on the disk to others, and room is never less than nothing")
    func reserve() async throws {
        let free = try RealFileSystem().freeSpace(scene.root)
        let generous = BlobStore(
            layout: scene.layout, files: RealFileSystem(), budget: DiskBudget(reserve: free + .mebibytes(1024)))
        #expect(await code { try await generous.makeSure(roomFor: ByteCount(1)) } == .diskFull)
        #expect(try await generous.room() == .zero)
        let tight = FixedSpace(free: ByteCount(1_000))
        let blobs = BlobStore(layout: scene.layout, files: tight, budget: DiskBudget(reserve: ByteCount(400)))
        try await blobs.makeSure(roomFor: ByteCount(600))
        #expect(await code { try await blobs.makeSure(roomFor: ByteCount(601)) } == .diskFull)
        #expect(try await blobs.room() == ByteCount(600))
        let silent = BlobStore(layout: scene.layout, files: FixedSpace(free: .mebibytes(1000)))
        #expect(try await silent.room() == .mebibytes(1000 - 256), "where nobody says anything")
        await silent.leave(.mebibytes(900))
        #expect(try await silent.room() == .mebibytes(100))
        #expect(await code { try await silent.makeSure(roomFor: .mebibytes(101)) } == .diskFull)
        await blobs.leave(ByteCount(900))
        #expect(try await blobs.room() == ByteCount(600), "what the owner says is not the profile's to change")
        let over = BlobStore(layout: scene.layout, files: tight, budget: DiskBudget(limit: .zero, reserve: .zero))
        try await store.blobs.bring([1])
        #expect(try await over.room() == .zero)
    }
}
