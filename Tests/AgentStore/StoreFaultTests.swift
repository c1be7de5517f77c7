import AgentStore
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

/// Each step of the story, once for each change that it makes to the disk, with a fault at that change.
@Suite("A fault at any change to the disk")
struct StoreFaultTests {
    /// A step that is run with a fault: from what stands on the disk before it to what must stand there after it.
    private struct Passage {
        var name: String
        var run: StoreStory.Step
        var before: Scene
        var changes: [String]
        var findings: (before: StoreFindings, after: StoreFindings)
        var files: [String]
    }

    /// Lives the story without faults, and keeps what the disk holds between any two steps.
    private static func passages() async throws -> [Passage] {
        var passages: [Passage] = []
        let scene = try Scene()
        await (try await scene.open()).close()
        let files = FaultyFileSystem()
        let store = try await scene.open(files: files)
        var faults: [String] = []
        var findings = try await StoreFindings(store, faults: &faults)
        for step in try StoreStory().steps {
            let before = try scene.copied()
            files.set(.none)
            try await step.run(store)
            let changes = files.changes
            let after = try await StoreFindings(store, faults: &faults)
            passages.append(
                Passage(
                    name: step.name, run: step.run, before: before, changes: changes, findings: (findings, after),
                    files: try listing(scene, after)))
            findings = after
        }
        try #require(faults.isEmpty, "\(faults)")
        return passages
    }

    /// Every path but the journal's own. A key's number is left out: a repeated step may count on. So are generations
    /// that no record names any more: an agent that starts removes them before the step that would.
    private static func listing(_ scene: Scene, _ findings: StoreFindings) throws -> [String] {
        let kept = findings.slots.flatMap { slot in slot.generations.map { "\(slot.slot)/\($0)" } }
        return try FileManager.default.subpathsOfDirectory(atPath: scene.root).filter { path in
            let parts = path.split(separator: "/")
            let isGeneration = parts.count > 2 && parts[0] == "generations" && Int(parts[2]) != nil
            return !path.hasPrefix("journal") && (!isGeneration || kept.contains("\(parts[1])/\(parts[2])"))
        }.map {
            $0.hasPrefix("identity/key-") && $0.hasSuffix(".pem") ? "identity/key.pem" : $0
        }.sorted()
    }

    @Test("leaves old or new, whole: killed in it", .timeLimit(.minutes(5)))
    func killed() async throws { try await everyChange { .killed(at: $0) } }

    @Test("leaves old or new, whole: killed after it", .timeLimit(.minutes(5)))
    func killedAfter() async throws { try await everyChange { .killedAfter($0) } }

    @Test("leaves old or new, whole: the power fails before it", .timeLimit(.minutes(5)))
    func powerCut() async throws { try await everyChange { .powerCut(at: $0) } }

    @Test("is an error, after which the same agent goes on: the disk has no room for it", .timeLimit(.minutes(5)))
    func full() async throws { try await everyChange { .fails(at: $0, errno: ENOSPC) } }

    @Test("is an error, after which the same agent goes on: the disk fails", .timeLimit(.minutes(5)))
    func broken() async throws { try await everyChange { .fails(at: $0, errno: EIO) } }

    @Test("is an error for as long as the disk is full, and the agent goes on when it is not", .timeLimit(.minutes(5)))
    func longFull() async throws { try await everyChange { .full(from: $0) } }

    private func everyChange(_ fault: (Int) -> FaultyFileSystem.Fault) async throws {
        let passages = try await Self.passages()
        var met = 0
        for passage in passages where !passage.changes.isEmpty {
            for number in 1...passage.changes.count {
                var faults: [String] = []
                do {
                    if try await live(passage, fault(number), &faults) { met += 1 }
                } catch {
                    faults.append("\(error)")
                }
                let change = passage.changes[number - 1]
                try #require(faults.isEmpty, "\(passage.name): \(fault(number)) (\(change)): \(faults.prefix(3))")
            }
        }
        #expect(met > 150, "so many faults did something")
    }

    /// Does the step with the fault, looks at what that left, does it again without, and looks at what that left.
    /// Returns whether the fault did something: after a fresh start a collection has less to do.
    @discardableResult
    private func live(
        _ passage: Passage, _ fault: FaultyFileSystem.Fault, _ faults: inout [String]
    ) async throws -> Bool {
        var isMet = false
        let scene = try passage.before.copied()
        let files = FaultyFileSystem(scratch: try scene.scratch())
        var store = try await scene.open(files: files)
        files.set(fault)
        do {
            try await passage.run(store)
        } catch let error as AgentStoreError {
            isMet = true
            Self.judge(error, fault, &faults)
        }
        files.set(.none)
        // What served must be there at once, for another process or for this one.
        let next = fault.ends ? try scene.copied() : scene
        if fault.ends { store = try await next.open() }
        let found = try await StoreFindings(store, faults: &faults)
        faults += found.faults(before: passage.findings.before, after: passage.findings.after)
        try await passage.run(store)
        if try await StoreFindings(store, faults: &faults) != passage.findings.after {
            faults.append("the end differs")
        }
        let left = try Self.listing(next, passage.findings.after)
        if left != passage.files {
            let (left, wanted) = (Set(left), Set(passage.files))
            faults.append("left behind: \(left.subtracting(wanted)), lost: \(wanted.subtracting(left))")
        }
        return isMet
    }

    private static func judge(_ error: AgentStoreError, _ fault: FaultyFileSystem.Fault, _ faults: inout [String]) {
        switch fault {
        case .fails(_, ENOSPC), .full: if error.reason != .diskFull { faults.append("called \(error)") }
        default: if error.reason != .storageFailed { faults.append("called \(error)") }
        }
    }

    @Test("that is over loses nothing: what a step has done stands when the power fails right after it")
    func durableSteps() async throws {
        for passage in try await Self.passages() {
            let scene = try passage.before.copied()
            let files = FaultyFileSystem(scratch: try scene.scratch())
            let store = try await scene.open(files: files)
            try await passage.run(store)
            files.cutPower()
            let next = try scene.copied()
            var faults: [String] = []
            var found = try await StoreFindings(try await next.open(), faults: &faults)
            // A blob that was let go may come back; the next collection takes it.
            found.blobs.subtract(passage.findings.before.blobs.subtracting(passage.findings.after.blobs))
            if found != passage.findings.after {
                faults += found.faults(before: passage.findings.after, after: passage.findings.after)
            }
            try #require(faults.isEmpty, "\(passage.name): \(faults.prefix(3))")
        }
    }

    @Test("while the data folder is made leaves one that opens")
    func making() async throws {
        let counting = FaultyFileSystem()
        let spare = try Scene()
        _ = try await spare.open(files: counting)
        for number in 1...counting.changes.count {
            for fault in [
                FaultyFileSystem.Fault.killed(at: number), .killedAfter(number), .powerCut(at: number),
                .fails(at: number, errno: EIO), .full(from: number),
            ] {
                let scene = try Scene()
                let files = FaultyFileSystem(fault, scratch: try scene.scratch())
                let error = await code { _ = try await scene.open(files: files) }
                #expect(error != nil || !fault.ends, "\(fault)")
                let next = try scene.copied()
                let store = try await next.open()
                try await store.blobs.bring([1])
                #expect(store.recovery == nil)
            }
        }
    }

    @Test("would be found out if it did harm")
    func canary() async throws {
        let passages = try await Self.passages()
        let passage = try #require(passages.first { $0.name == "bring an adapter" })
        var careless = passage
        careless.run = { store in
            let bytes = Sample.bytes(900, seed: 101)
            let file = try store.files.open(store.layout.blob(Digest.of(bytes)), .create(0o444))
            defer { file.close() }
            for half in [bytes[..<450], bytes[450...]] { try Array(half).withUnsafeBytes { try file.write($0) } }
        }
        for fault in [FaultyFileSystem.Fault.killed(at: 3), .fails(at: 2, errno: ENOSPC), .killedAfter(2)] {
            var faults: [String] = []
            do { try await live(careless, fault, &faults) } catch { faults.append("\(error)") }
            #expect(faults.contains { $0.contains("holds other bytes") }, "\(fault)")
        }
        careless.run = { store in
            try await passage.run(store)
            let digest = Digest.of(Sample.bytes(900, seed: 101))
            try store.files.rename(store.blobs.path(of: digest), to: store.layout.partial(digest))
            try store.files.synchronizeFolder(store.layout.partial)
            try store.files.rename(store.layout.partial(digest), to: store.blobs.path(of: digest))
        }
        let scene = try passage.before.copied()
        let files = FaultyFileSystem(scratch: try scene.scratch())
        try await careless.run(try await scene.open(files: files))
        files.cutPower()
        #expect(RealFileSystem().status(scene.layout.blob(Digest.of(Sample.bytes(900, seed: 101)))) == nil)
    }
}
