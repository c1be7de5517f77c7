import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("Generations on disk")
struct GenerationStoreTests {
    let scene: Scene
    let store: AgentStore
    let slot: SlotName

    init() async throws {
        scene = try Scene()
        store = try await scene.open()
        slot = try SlotName("triage")
    }

    private func names() throws -> [String] { try store.files.names(in: scene.layout.generations(of: slot)) }

    @Test("stand in a folder with links to their blobs, under the names that the engine expects")
    func staged() async throws {
        let weights = try await store.blobs.bring(Sample.bytes(1000, seed: 1))
        let adapter = try await store.blobs.bring(Sample.bytes(500, seed: 2))
        let record = try Sample.generation(7, weights: [weights, adapter])
        try await store.generations.stage(record)
        for (file, content) in zip(record.files, [Sample.bytes(1000, seed: 1), Sample.bytes(500, seed: 2)]) {
            let path = store.generations.path(of: file, in: record)
            #expect(path == "\(scene.root)/generations/triage/7/\(file.name)")
            #expect(store.files.status(path)?.kind == .link)
            #expect(Array(try Data(contentsOf: URL(fileURLWithPath: path))) == content)
        }
        // The data folder may be mounted elsewhere: the links are relative.
        let moved = scene.folder.file("moved")
        try FileManager.default.moveItem(atPath: scene.root, toPath: moved)
        let path = StoreLayout(root: moved).generation(record.id, of: slot) + "/file-0.gguf"
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == 1000)
        try FileManager.default.moveItem(atPath: moved, toPath: scene.root)
    }

    @Test("are found again through their links alone")
    func recovered() async throws {
        let first = try Sample.generation(1)
        let second = try Sample.generation(2, version: "2.0.0")
        for record in [first, second] { try await store.generations.stage(record) }
        #expect(try await store.generations.recover().isEmpty, "nothing was pointed at")
        try await store.generations.point(slot, current: second.id, previous: first.id)
        let found = try #require(try await store.generations.recover().first)
        #expect(found.slot == slot)
        #expect(found.phase == .committed)
        #expect(found.current == second)
        #expect(found.previous == first)
        #expect(found.candidate == nil)
        #expect(found.target == nil)
    }

    @Test("that no record names and that cannot be removed keep no agent from starting, and nothing else from going")
    func stuck() async throws {
        var record = SlotRecord(slot: slot)
        record.current = try Sample.generation(1)
        record.phase = .committed
        for id in 1...3 as ClosedRange<Int64> { try await store.generations.stage(try Sample.generation(id)) }
        try await store.journal.save(record, transition: nil)
        await store.close()
        let files = FaultyFileSystem()
        let copy = try scene.copied()
        files.hold(copy.layout.generation(GenerationID(2), of: slot))
        let again = try await copy.open(files: files)
        #expect(again.leftovers?.message.contains("generations/triage/2") == true)
        #expect(try again.files.names(in: copy.layout.generations(of: slot)) == ["1", "2"])
        #expect(try await again.journal.slots() == [record])
        // Not the number of what is still there.
        #expect(try await again.journal.nextGeneration() == GenerationID(4))
        await again.close()
    }

    @Test("point nowhere once a slot has nothing, and pointing into an absent folder does nothing")
    func pointedNowhere() async throws {
        try await store.generations.point(slot, current: nil, previous: nil)
        #expect(store.files.status(scene.layout.generations(of: slot)) == nil)
        try await store.generations.stage(try Sample.generation(1))
        try await store.generations.point(slot, current: GenerationID(1), previous: nil)
        #expect(try names() == ["1", "current"])
        try await store.generations.point(slot, current: nil, previous: nil)
        #expect(try names() == ["1"])
    }

    @Test("with one state under both links are recovered once: a step back must lead elsewhere")
    func bothLinks() async throws {
        try await store.generations.stage(try Sample.generation(1))
        try await store.generations.point(slot, current: GenerationID(1), previous: GenerationID(1))
        let found = try #require(try await store.generations.recover().first)
        #expect(found.current?.id == GenerationID(1))
        #expect(found.previous == nil)
    }

    @Test(
        "fall back to the previous one where the current record is damaged",
        arguments: [
            "", "{", "[]", "{\"id\":2}", "\u{0}\u{0}\u{0}",
        ])
    func damagedRecord(text: String) async throws {
        let first = try Sample.generation(1)
        for record in [first, try Sample.generation(2)] { try await store.generations.stage(record) }
        try await store.generations.point(slot, current: GenerationID(2), previous: GenerationID(1))
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(scene.root)/generations/triage/2/generation.json"))
        let found = try #require(try await store.generations.recover().first)
        #expect(found.current == first)
        #expect(found.previous == nil)
    }

    @Test("are not taken from a folder that is another generation's or another slot's")
    func impostor() async throws {
        try await store.generations.stage(try Sample.generation(1))
        let folder = scene.layout.generations(of: slot)
        try FileManager.default.copyItem(atPath: folder + "/1", toPath: folder + "/2")
        try await store.generations.point(slot, current: GenerationID(2), previous: nil)
        try FileManager.default.copyItem(atPath: folder, toPath: scene.layout.generations + "/billing")
        try Data().write(to: URL(fileURLWithPath: scene.layout.generations + "/NOT A SLOT"))
        #expect(try await store.generations.recover().isEmpty)
        try store.files.replaceLink(folder + "/current", to: "../../../../etc")
        #expect(try await store.generations.recover().isEmpty)
    }

    @Test("are staged anew over what a former try left")
    func restaged() async throws {
        let folder = scene.layout.generations(of: slot)
        try store.files.makeFolder(folder, mode: 0o755)
        try store.files.makeFolder(folder + "/1.new", mode: 0o755)
        try Data([1]).write(to: URL(fileURLWithPath: folder + "/1.new/half"))
        let old = try Sample.generation(1, weights: [Digest.of([1])])
        try await store.generations.stage(old)
        let new = try Sample.generation(1, version: "2.0.0")
        try await store.generations.stage(new)
        try await store.generations.point(slot, current: GenerationID(1), previous: nil)
        #expect(try await store.generations.recover().first?.current == new)
        #expect(try names() == ["1", "current"])
        #expect(try store.files.names(in: folder + "/1") == ["generation.json"])
    }

    @Test(
        "take no weight file whose name could lead elsewhere",
        arguments: [
            "", ".", "..", ".hidden", "a/b", "../x", "/etc/passwd", "generation.json", "a\u{0}b",
        ])
    func fileNames(name: String) async throws {
        var record = try Sample.generation(1, weights: [Digest.of([1])])
        record.files[0].name = name
        #expect(await code { try await store.generations.stage(record) } == .malformed)
        #expect(try names().allSatisfy { $0.hasSuffix(".new") })
        try await store.generations.collect(slot, keeping: [])
        #expect(try store.files.names(in: scene.layout.generations).isEmpty)
    }

    @Test("go when nothing keeps them, with what interrupted stages left; the links stay")
    func collected() async throws {
        for id in 1...4 as ClosedRange<Int64> { try await store.generations.stage(try Sample.generation(id)) }
        try await store.generations.point(slot, current: GenerationID(3), previous: GenerationID(2))
        try store.files.makeFolder(scene.layout.generations(of: slot) + "/5.new", mode: 0o755)
        try await store.generations.collect(slot, keeping: [GenerationID(2), GenerationID(3)])
        #expect(try names() == ["2", "3", "current", "previous"])
        try await store.generations.collect(slot, keeping: [])
        #expect(try store.files.names(in: scene.layout.generations).isEmpty)
        try await store.generations.collect(slot, keeping: [])
    }

    @Test("never get a number twice, not even with a new journal")
    func numbers() async throws {
        #expect(try await store.journal.nextGeneration() == GenerationID(1))
        #expect(try await store.journal.nextGeneration() == GenerationID(2))
        try await store.generations.stage(try Sample.generation(41, slot: "billing"))
        try store.files.makeFolder(scene.layout.generations + "/billing/57.new", mode: 0o755)
        #expect(try await store.generations.highest() == 57)
        await store.close()
        for suffix in ["", "-wal", "-shm"] { try store.files.remove(scene.layout.journal + suffix) }
        let fresh = try Scene()
        try FileManager.default.copyItem(atPath: scene.root, toPath: fresh.root)
        let again = try await fresh.open()
        #expect(try await again.journal.nextGeneration() == GenerationID(58))
    }
}
