import MartletTypes
import TUF
import Testing
import Trust

@Suite("Floors and yanks, as a device remembers them")
struct TakenBackTests {
    private func release(_ version: String) throws -> AssignedRelease {
        AssignedRelease(
            path: try ReleasePath("clinic/triage/\(version)"), indexDigest: .of(Array(version.utf8)), length: 1)
    }

    private func floor(_ version: String, _ number: Int64) throws -> ReleaseFloor {
        ReleaseFloor(version: try SemanticVersion(version), number: number, reason: "")
    }

    @Test("A floor is read as it was signed, and refused where it is not what its hash says")
    func document() throws {
        let repository = try RepositoryName("clinic/triage")
        let floor = ReleaseFloor(version: try SemanticVersion("1.4.0"), number: 3, reason: "wrong doses")
        var target = try floor.target(for: repository)
        #expect(try ReleaseFloor(target, of: repository) == floor)
        #expect(throws: InvalidValue.self) { try ReleaseFloor(target, of: RepositoryName("clinic/other")) }
        #expect(throws: InvalidValue.self) { try ReleaseFloor(TargetFile(length: 1, digest: .of([1])), of: repository) }
        target.custom = .object([
            "floor": .object(["version": .string("9.0.0"), "number": .integer(3), "reason": .string("wrong doses")])
        ])
        #expect(throws: InvalidValue.self) { try ReleaseFloor(target, of: repository) }
    }

    @Test(
        "The path of a floor names its repository, and no other path does",
        arguments: [
            ("clinic/triage/floor", "clinic/triage"), ("clinic/triage/1.0.0", nil), ("floor", nil),
            ("clinic/floor", nil),
            ("martlet/trust/floor", nil), ("clinic/a/b/floor", "clinic/a/b"),
        ] as [(String, String?)])
    func path(_ path: String, _ repository: String?) throws {
        #expect(ReleaseFloor.repository(ofPath: path)?.text == repository)
    }

    @Test("The statement with the highest number counts, whatever comes after it")
    func numbers() throws {
        let repository = try RepositoryName("clinic/triage")
        var known = TakenBack()
        known.note(try floor("1.4.0", 2), of: repository)
        known.note(try floor("1.0.0", 1), of: repository)
        #expect(known.floors[repository]?.version.text == "1.4.0")
        known.note(try floor("1.5.0", 1), of: repository)
        #expect(known.floors[repository]?.version.text == "1.4.0")
        known.note(try floor("1.2.0", 3), of: repository)
        #expect(known.floors[repository]?.version.text == "1.2.0")
    }

    @Test("What is below its floor is refused before what is yanked, and nothing else is")
    func refusals() throws {
        var known = TakenBack()
        known.note(try floor("1.4.0", 1), of: try RepositoryName("clinic/triage"))
        known.noteYank(try ReleasePath("clinic/triage/1.5.0"), at: .init(versions: ["clinic": 1]))
        #expect(known.refusal(of: try ReleasePath("clinic/triage/1.4.0")) == nil)
        #expect(known.refusal(of: try ReleasePath("clinic/other/1.0.0")) == nil)
        #expect(known.refusal(of: try ReleasePath("clinic/triage/1.4.0-rc.1"))?.code == "belowFloor")
        #expect(known.refusal(of: try ReleasePath("clinic/triage/1.5.0"))?.isFinal == false)
        #expect(known.refusal(of: [try release("1.5.0"), try release("1.3.0")])?.code == "belowFloor")
    }

    @Test(
        "A yank is undone only by metadata that is newer than where it was seen",
        arguments: [
            (["targets": 5, "clinic": 2, "clinic-bin-3": 7], false),
            (["targets": 5, "clinic": 2, "clinic-bin-3": 6], false),
            (["targets": 9, "clinic": 2, "clinic-bin-3": 6], false),
            (["targets": 5, "clinic": 2, "clinic-bin-3": 8], true),
            (["targets": 5, "clinic": 3, "clinic-bin-03": 1], true),
            (["targets": 5, "clinic": 1, "clinic-bin-03": 9], false),
            ([:], false), (["other": 99], false),
        ] as [([String: Int], Bool)])
    func positions(_ versions: [String: Int], _ isUndone: Bool) throws {
        let path = try ReleasePath("clinic/triage/1.0.0")
        var known = TakenBack()
        known.noteYank(path, at: .init(versions: ["targets": 5, "clinic": 2, "clinic-bin-3": 7]))
        #expect(known.noteSigned(path, at: .init(versions: versions)) == isUndone)
        #expect((known.refusal(of: path) == nil) == isUndone)
    }

    @Test("Two copies that each lack something make one that lacks nothing")
    func merge() throws {
        let repository = try RepositoryName("clinic/triage")
        var (first, second) = (TakenBack(), TakenBack())
        first.note(try floor("1.4.0", 2), of: repository)
        second.note(try floor("1.0.0", 1), of: repository)
        second.noteYank(try ReleasePath("clinic/triage/2.0.0"), at: .init(versions: ["clinic": 1]))
        first.merge(second)
        #expect(first.floors[repository]?.number == 2)
        #expect(first.yanked.count == 1)
    }
}
