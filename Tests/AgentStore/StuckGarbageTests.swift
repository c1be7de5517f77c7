import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("Garbage that cannot be removed")
struct StuckGarbageTests {
    @Test(
        "keeps nothing else from being removed, and is told of in the end: a stray folder, a file on a bad sector",
        arguments: [false, true])
    func collection(isStuck: Bool) async throws {
        let scene = try Scene()
        let files = FaultyFileSystem()
        let store = try await scene.open(files: files)
        // They are listed before everything that is to go.
        let strays = ["blobs/sha256/-stray", "blobs/sha512/-stray", "partial/-stray"]
        for stray in strays {
            let folder = "\(scene.root)/\(stray)/deep"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/file"))
        }
        let blob = try await store.blobs.bring(Sample.bytes(100, seed: 70))
        let partial = try await store.blobs.open(.of([5]), size: ByteCount(10))
        try partial.append([0, 0])
        partial.close()
        for number in 1...5 {
            try Data([1]).write(to: URL(fileURLWithPath: "\(scene.layout.quarantine)/\(number)-aa"))
        }
        if isStuck { files.hold("\(scene.root)/\(strays[0])/deep/file") }
        let found = await code {
            let gone = try await store.blobs.collect { [] }
            #expect(gone.blobs == 5)
        }
        #expect(found == (isStuck ? .storageFailed : nil))
        #expect(!store.blobs.has(blob) && store.blobs.partialSize(.of([5])) == .zero)
        #expect(try files.names(in: scene.layout.blobs) == (isStuck ? ["-stray"] : []))
        #expect(try files.names(in: scene.layout.partial).isEmpty)
        #expect(try files.names(in: scene.layout.quarantine) == ["3-aa", "4-aa", "5-aa"])
        await store.close()
    }

    @Test("in what was put aside, or in a tree, keeps nothing beside it")
    func asideAndTrees() async throws {
        let scene = try Scene()
        let files = FaultyFileSystem()
        let store = try await scene.open(files: files)
        for number in 1...5 {
            try Data([1]).write(to: URL(fileURLWithPath: "\(scene.layout.quarantine)/\(number)-aa"))
        }
        files.hold("\(scene.layout.quarantine)/1-aa")
        #expect(await code { _ = try await store.blobs.collect { [] } } == .storageFailed)
        #expect(try files.names(in: scene.layout.quarantine) == ["1-aa", "3-aa", "4-aa", "5-aa"])
        let tree = scene.root + "/tree"
        try FileManager.default.createDirectory(atPath: tree + "/a", withIntermediateDirectories: true)
        for name in ["a/1", "a/2", "b"] { try Data([1]).write(to: URL(fileURLWithPath: "\(tree)/\(name)")) }
        files.hold(tree + "/a/1")
        #expect(await code { try files.removeTree(tree) } == .storageFailed)
        #expect(try files.names(in: tree) == ["a"])
        #expect(try files.names(in: tree + "/a") == ["1"])
        await store.close()
    }
}
