import AgentStore
import Foundation
import MartletTypes
import Synchronization
import TestSupport
import Testing

@Suite("A blob that is hashed in pieces")
struct ScrubPieceTests {
    private static let bytes = [UInt8](repeating: 7, count: 3 * AgentStoreLimits.scrubPiece)

    /// Where this process's descriptors lead to that file, also where it is gone.
    private static func descriptors(to path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0)
        }.filter { $0.hasPrefix(path) }
    }

    @Test("is open in no pause between two pieces: what is collected then gives its room back")
    func closed() async throws {
        let scene = try Scene()
        let store = try await scene.open()
        let blobs = store.blobs
        let digest = try await blobs.bring(Self.bytes)
        // As the kernel says it; others may have a blob of the same bytes open.
        let blob = URL(fileURLWithPath: scene.layout.blob(digest)).resolvingSymlinksInPath().path
        let held = try #require(FileHandle(forReadingAtPath: blob))
        #expect(try Self.descriptors(to: blob).count == 1, "what is open is seen")
        try held.close()
        let passes = Mutex(0)
        let open = Mutex<[String]>([])
        let isSound = try await blobs.scrub(digest) {
            let pass = passes.withLock {
                $0 += 1
                return $0
            }
            if pass == 2 { _ = try await blobs.collect { [] } }
            let found = try Self.descriptors(to: blob)
            open.withLock { $0 += found }
        }
        #expect(isSound, "nobody needs it any more")
        #expect(open.withLock { $0 } == [])
        #expect(passes.withLock { $0 } == 2)
        await store.close()
    }

    @Test("and is brought anew in a pause is not put aside for what its predecessor was")
    func replaced() async throws {
        let scene = try Scene()
        let store = try await scene.open()
        let blobs = store.blobs
        let digest = try await blobs.bring(Self.bytes)
        var rotten = Self.bytes
        rotten[0] = 8
        try Data(rotten).write(to: URL(fileURLWithPath: scene.layout.blob(digest)))
        let passes = Mutex(0)
        let isSound = try await blobs.scrub(digest) {
            let pass = passes.withLock {
                $0 += 1
                return $0
            }
            guard pass == 2 else { return }
            try FileManager.default.moveItem(atPath: scene.layout.blob(digest), toPath: scene.root + "/aside")
            try await blobs.bring(Self.bytes)
        }
        #expect(isSound && blobs.has(digest))
        #expect(try store.files.names(in: scene.layout.quarantine).isEmpty)
        #expect(try await blobs.scrub(digest))
        await store.close()
    }
}
