import AgentStore
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

/// The whole story, once for each change that it makes to the disk, with a fault at that change.
@Suite("A fault at any change to the disk")
struct StoreFaultTests {
    private static let budget = DiskBudget(reserve: .zero)

    /// What a run without faults finds after each step, how many changes it makes, and the files that it leaves.
    private struct Course {
        var findings: [StoreFindings] = []
        var changes: [String] = []
        var files: [String] = []
    }

    private static func course(_ story: StoreStory) async throws -> Course {
        var course = Course()
        let scene = try Scene()
        let files = FaultyFileSystem()
        let store = try await scene.open(files: files)
        var faults: [String] = []
        course.findings.append(try await StoreFindings(store, faults: &faults))
        for step in story.steps {
            try await step.run(store)
            course.findings.append(try await StoreFindings(store, faults: &faults))
        }
        try #require(faults.isEmpty, "\(faults)")
        course.changes = files.changes
        course.files = try listing(scene)
        return course
    }

    /// Every path but the journal's own, with a key's number left out: a repeated step may count on.
    private static func listing(_ scene: Scene) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: scene.root).filter { !$0.hasPrefix("journal") }.map {
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
        let story = try StoreStory()
        let course = try await Self.course(story)
        #expect(course.changes.count > 150)
        for number in 1...course.changes.count {
            let fault = fault(number)
            var faults: [String] = []
            do {
                try await live(story, course, fault, &faults)
            } catch {
                faults.append("\(error)")
            }
            try #require(faults.isEmpty, "\(fault) (\(course.changes[number - 1])): \(faults.prefix(3))")
        }
    }

    /// Lives the story with the fault, looks at what it left, lives on without, and looks at what that left.
    private func live(
        _ story: StoreStory, _ course: Course, _ fault: FaultyFileSystem.Fault, _ faults: inout [String]
    ) async throws {
        let scene = try Scene()
        let scratch = scene.folder.file("lost")
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        let files = FaultyFileSystem(fault, scratch: scratch)
        var opened: AgentStore?
        var done = 0
        do {
            let store = try await scene.open(files: files)
            opened = store
            for step in story.steps {
                try await step.run(store)
                done += 1
            }
            // A change that only tidies up may fail without any harm.
            if fault.ends { faults.append("the fault did not end the story") }
        } catch let error as AgentStoreError {
            Self.judge(error, fault, &faults)
        }
        files.set(.none)
        // What served must be there at once, for another process or for this one.
        let next = fault.ends ? try scene.copied() : scene
        let store: AgentStore
        if let opened, !fault.ends { store = opened } else { store = try await next.open(budget: Self.budget) }
        let found = try await StoreFindings(store, faults: &faults)
        let after = course.findings[min(done + 1, story.steps.count)]
        faults += found.faults(before: course.findings[done], after: after).map { "after step \(done): \($0)" }
        for step in story.steps[done...] { try await step.run(store) }
        if try await StoreFindings(store, faults: &faults) != course.findings.last { faults.append("the end differs") }
        let left = try Self.listing(next)
        if left != course.files {
            faults.append("left behind: \(Set(left).subtracting(course.files)), lost: \(Set(course.files).subtracting(left))")
        }
    }

    private static func judge(_ error: AgentStoreError, _ fault: FaultyFileSystem.Fault, _ faults: inout [String]) {
        switch fault {
        case .fails(_, ENOSPC), .full: if error.reason != .diskFull { faults.append("called \(error)") }
        default: if error.reason != .storageFailed { faults.append("called \(error)") }
        }
    }
}
