import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("Which program of the agent runs")
struct LaunchDecisionTests {
    private func program(_ text: String, _ version: String) throws -> AgentProgram {
        AgentProgram(digest: .of(Array(text.utf8)), version: try SemanticVersion(version))
    }

    @Test("the proven one, unless the owner installed a newer one; one on trial three times at most")
    func trials() throws {
        let old = try program("old", "0.2.0")
        let new = try program("new", "0.3.0")
        let own = try SemanticVersion("0.2.0")
        var record = ProgramRecord()
        func decision(own: SemanticVersion? = own) -> LaunchDecision { LaunchDecision(record, own: own, boot: "a") }
        #expect(decision() == .installed)
        record.current = old
        let first = ProgramStarts(program: old.digest).another(in: "a")
        #expect(decision() == .proven(old, first))
        #expect(decision(own: nil) == .proven(old, first))
        #expect(try decision(own: SemanticVersion("0.2.1")) == .installed)
        var trial = AgentTrial(program: new, generation: GenerationID(7), seconds: 600)
        record.trial = trial
        trial.starts = 1
        #expect(decision() == .trial(trial))
        trial.starts = 3
        record.trial = trial
        #expect(decision() == .takeBack(trial, .crashLoop))
        #expect(try decision(own: SemanticVersion("0.3.1")) == .takeBack(trial, .outdated), "the package is newer")
        record.current = new
        #expect(decision() == .forgetTrial)
    }

    @Test("ends while the machine ran on count, its own starts count for less, a start of another program not at all")
    func counting() throws {
        let digest = Digest.of([1])
        var starts = ProgramStarts(program: digest)
        for number in 1...5 {
            starts = starts.another(in: "a")
            #expect(starts.starts == number && starts.ends == number - 1 && starts.verdict == nil)
        }
        #expect(starts.another(in: "a").verdict == .ends)
        #expect(starts.another(in: nil).verdict == .ends, "where the kernel does not tell, an end is an end")
        // A power cut neither counts as an end, nor does it wash the ends before it away.
        let cut = starts.another(in: "b")
        #expect(cut.ends == 4 && cut.verdict == nil && cut.another(in: "b").verdict == .ends)
        var reboots = ProgramStarts(program: digest)
        for number in 1...20 {
            reboots = reboots.another(in: "boot \(number)")
            #expect(reboots.ends == 0 && reboots.verdict == nil)
        }
        #expect(reboots.another(in: "boot 21").verdict == .starts)
    }

    @Test("one that ends again and again is given up for the one before it, or for the installed one")
    func goingBack() throws {
        let (old, bad) = (try program("old", "0.2.0"), try program("bad", "0.3.0"))
        let own = try SemanticVersion("0.1.0")
        let spent = (1...5).reduce(ProgramStarts(program: bad.digest)) { starts, _ in starts.another(in: "a") }
        var base = ProgramRecord()
        base.current = bad
        base.previous = old
        base.starts = spent
        let fall = ProgramFall(program: bad, cause: .ends)
        let oldFall = ProgramFall(program: old, cause: .ends)
        func record(_ change: (inout ProgramRecord) -> Void) -> ProgramRecord {
            var record = base
            change(&record)
            return record
        }
        let again = ProgramStarts(program: bad.digest).another(in: "a")
        let table: [(String, ProgramRecord, SemanticVersion?, LaunchDecision)] = [
            ("the one before it", base, own, .goBack(fall, to: old)),
            ("none was before it", record { $0.previous = nil }, own, .goBack(fall, to: nil)),
            ("the one before it was given up too", record { $0.falls = [oldFall] }, own, .goBack(fall, to: nil)),
            ("the link leads to itself", record { $0.previous = bad }, own, .goBack(fall, to: nil)),
            (
                "the one before it is older than the package", base, try SemanticVersion("0.2.1"),
                .goBack(fall, to: nil)
            ),
            ("a newer package was installed meanwhile", base, try SemanticVersion("0.4.0"), .installed),
            (
                "the starts are another's", record { $0.starts = ProgramStarts(program: old.digest) }, own,
                .proven(bad, again)
            ),
            (
                "a launcher was interrupted in going back",
                record {
                    $0.starts = nil
                    $0.falls = [fall]
                }, own, .goBack(fall, to: old)
            ),
        ]
        for (what, record, own, decision) in table {
            #expect(LaunchDecision(record, own: own, boot: "a") == decision, "\(what)")
        }
    }

    // MARK: On disk

    private func folder(_ scratch: TemporaryFolder, _ programs: [String: String]) throws
        -> (ProgramFolder, [String: AgentProgram])
    {
        let folder = ProgramFolder(data: scratch.path)
        var made: [String: AgentProgram] = [:]
        for (name, version) in programs {
            let blob = scratch.file("blob-" + name)
            #expect(FileManager.default.createFile(atPath: blob, contents: Data(name.utf8)))
            let program = try program(name, version)
            try folder.bring(program, from: blob)
            made[name] = program
        }
        return (folder, made)
    }

    private func commit(_ program: AgentProgram, _ generation: Int64, in folder: ProgramFolder) throws {
        try folder.begin(AgentTrial(program: program, generation: GenerationID(generation), seconds: 5))
        try folder.confirm(program.digest)
    }

    /// Decides as the launcher does, until something is to be started; nil is the installed program.
    private func launch(_ folder: ProgramFolder, boot: String? = "a") throws -> AgentProgram? {
        let own = try SemanticVersion("0.1.0")
        for _ in 0..<8 {
            switch LaunchDecision(folder.record, own: own, boot: boot) {
            case .installed: return nil
            case .proven(let program, let starts):
                try folder.count(starts)
                return program
            case .goBack(let fall, let target): try folder.goBack(fall, to: target)
            case .trial(let trial):
                try folder.write(trial)
                return trial.program
            case .takeBack(let trial, let reason): try folder.takeBack(trial.program.digest, reason)
            case .forgetTrial: try folder.forgetTrial()
            }
        }
        throw NeverTrue(description: "it decides without an end")
    }

    @Test("of two programs that end at once each is started five times, then the installed one runs for good")
    func noPingPong() throws {
        let scratch = try TemporaryFolder("falls")
        let (folder, made) = try folder(scratch, ["one": "0.2.0", "two": "0.3.0", "three": "0.4.0"])
        let (one, two) = (try #require(made["one"]), try #require(made["two"]))
        try commit(one, 1, in: folder)
        try commit(two, 2, in: folder)
        #expect(folder.previous == one)
        try folder.collect(keeping: [two.digest])
        #expect(folder.isSound(one.digest), "what is gone back to stays on the disk")
        var launched: [AgentProgram?] = []
        for _ in 0..<30 { launched.append(try launch(folder)) }
        let expected: [AgentProgram?] = (0..<30).map { $0 < 5 ? two : $0 < 10 ? one : nil }
        #expect(launched == expected)
        #expect(folder.fall(of: two)?.cause == .ends && folder.fall(of: one)?.cause == .ends)
        // Another release is tried, and stays; it has nothing before it but the installed one.
        let three = try #require(made["three"])
        try folder.bring(three, from: scratch.file("blob-three"))
        try commit(three, 3, in: folder)
        #expect(try launch(folder) == three && folder.previous == nil)
        // Assigned anew, one that was given up is tried anew, and judged anew.
        try folder.bring(two, from: scratch.file("blob-two"))
        try commit(two, 4, in: folder)
        #expect(folder.fall(of: two) == nil && folder.fall(of: one) != nil)
        for _ in 0..<5 { #expect(try launch(folder) == two) }
        #expect(try launch(folder) == three)
    }

    @Test("a program that ran for a minute now and then is not given up, nor is one that is cut off by the power")
    func steady() throws {
        let scratch = try TemporaryFolder("falls")
        let (folder, made) = try folder(scratch, ["one": "0.2.0"])
        let one = try #require(made["one"])
        try commit(one, 1, in: folder)
        for round in 1...30 {
            #expect(try launch(folder) == one)
            if round.isMultiple(of: 4) { try folder.forgetStarts(of: one.digest) }
            // Another's word counts for nothing.
            try folder.forgetStarts(of: .of([0]))
        }
        try folder.forgetStarts(of: one.digest)
        for boot in 1...20 { #expect(try launch(folder, boot: "\(boot)") == one) }
        #expect(try launch(folder, boot: "21") == nil)
        #expect(folder.fall(of: one)?.cause == .starts)
    }

    @Test("interrupted after any of its steps, going back is finished by the next start")
    func interrupted() throws {
        for steps in 0...3 {
            let scratch = try TemporaryFolder("falls")
            let (folder, made) = try folder(scratch, ["one": "0.2.0", "two": "0.3.0"])
            let (one, two) = (try #require(made["one"]), try #require(made["two"]))
            try commit(one, 1, in: folder)
            try commit(two, 2, in: folder)
            for _ in 0..<5 { #expect(try launch(folder) == two) }
            let before = try FileManager.default.contentsOfDirectory(atPath: scratch.file("agent"))
            let kept = scratch.file("kept")
            try FileManager.default.copyItem(atPath: scratch.file("agent"), toPath: kept)
            try folder.goBack(ProgramFall(program: two, cause: .ends), to: one)
            // The steps are in this order; those that were not reached are as they were.
            for name in ["falls.json", "current", "previous", "starts.json"].dropFirst(steps) {
                try? FileManager.default.removeItem(atPath: scratch.file("agent/" + name))
                if before.contains(name) {
                    try FileManager.default.copyItem(atPath: kept + "/" + name, toPath: scratch.file("agent/" + name))
                }
            }
            #expect(try launch(folder) == one, "after \(steps) steps")
            for _ in 0..<4 { #expect(try launch(folder) == one, "after \(steps) steps") }
            #expect(try launch(folder) == nil, "after \(steps) steps")
        }
    }

    @Test("a confirmation that was interrupted goes on from where it was, and keeps what ran before")
    func confirmed() throws {
        let scratch = try TemporaryFolder("falls")
        let (folder, made) = try folder(scratch, ["one": "0.2.0", "two": "0.3.0"])
        let (one, two) = (try #require(made["one"]), try #require(made["two"]))
        try commit(one, 1, in: folder)
        try folder.begin(AgentTrial(program: two, generation: GenerationID(2), seconds: 5))
        let note = scratch.file("agent/trial.json")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: note))
        try FileManager.default.removeItem(atPath: note)
        for _ in 0..<2 {
            try bytes.write(to: URL(fileURLWithPath: scratch.file("agent/confirmed.json")))
            try folder.settle()
            #expect(folder.current == two && folder.previous == one)
        }
        // Back to it without a trial: what ran in between is not gone back to.
        try folder.point(to: one)
        #expect(folder.current == one && folder.previous == nil)
    }
}
