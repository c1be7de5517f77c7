import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import ModelRuntime
import TestSupport
import Testing

@Suite("Programs of the agent")
struct ProgramFolderTests {
    private func program(_ text: String, _ version: String) throws -> (program: AgentProgram, bytes: [UInt8]) {
        let bytes = Array(text.utf8)
        return (AgentProgram(digest: .of(bytes), version: try SemanticVersion(version)), bytes)
    }

    private func folder(_ scratch: TemporaryFolder, bringing programs: [(AgentProgram, [UInt8])]) throws
        -> ProgramFolder
    {
        let folder = ProgramFolder(data: scratch.path)
        for (program, bytes) in programs {
            let blob = scratch.file("blob-\(program.digest.hex.prefix(8))")
            #expect(FileManager.default.createFile(atPath: blob, contents: Data(bytes)))
            try folder.bring(program, from: blob)
        }
        return folder
    }

    @Test("a start that the owner's mistake ended does not count, on trial up to a bound")
    func forgiven() throws {
        let scratch = try TemporaryFolder("prog")
        let (program, bytes) = try program("one", "99.0.0")
        let folder = try folder(scratch, bringing: [(program, bytes)])
        let environment = [ProgramLauncher.Variable.program: program.digest.text]
        let launcher = ProgramLauncher(data: scratch.path, environment: environment)
        let mistakes: [any MartletError] = [
            AgentError(.invalidConfiguration, "A comma is missing."),
            RuntimeError(.portInUse, "The gateway cannot listen.", remedy: "", fault: .environment),
            AgentStoreError(.alreadyRunning, "Another agent has it."),
        ]
        func count() throws {
            var starts = ProgramStarts(program: program.digest)
            for _ in 0..<4 { starts = starts.another(in: "a") }
            try folder.count(starts)
        }
        for mistake in mistakes {
            try count()
            #expect(folder.record.starts?.ends == 3)
            launcher.forgive(mistake)
            #expect(folder.record.starts == nil, "\(mistake.code)")
        }
        try count()
        launcher.forgive(AgentStoreError(.storageFailed, "It cannot be read."))
        ProgramLauncher(data: scratch.path, environment: [:]).forgive(mistakes[0])
        #expect(folder.record.starts?.ends == 3, "another error counts, and the installed program counts nothing")
        // On trial the program may be what cannot be helped.
        try folder.begin(AgentTrial(program: program, generation: GenerationID(1), seconds: 5))
        for start in 1... {
            var trial = try #require(folder.trial)
            trial.starts += 1
            try folder.write(trial)
            launcher.forgive(mistakes[0])
            guard folder.trial?.starts != 0 else { continue }
            #expect(start == ProgramFolder.forgivenInTrial + 1)
            break
        }
    }

    @Test("a program without its description, by which the launcher finds it, is made anew", arguments: [true, false])
    func undescribed(isGone: Bool) throws {
        let scratch = try TemporaryFolder("prog")
        let (program, bytes) = try program("one", "99.0.0")
        let folder = try folder(scratch, bringing: [(program, bytes)])
        try folder.point(to: program)
        let description = "\(scratch.path)/agent/programs/\(program.digest.hex)/program.json"
        if isGone {
            try FileManager.default.removeItem(atPath: description)
        } else {
            try Data("{".utf8).write(to: URL(fileURLWithPath: description))
        }
        #expect(folder.current == nil && folder.isSound(program.digest))
        try folder.bring(program, from: scratch.file("blob-\(program.digest.hex.prefix(8))"))
        #expect(folder.current == program)
    }

    @Test(
        "a program that reached the registry stays; one that was taken back is told with its reason"
    )
    func verdicts() throws {
        let scratch = try TemporaryFolder("prog")
        let (old, oldBytes) = try program("old", "0.2.0")
        let (new, newBytes) = try program("new", "0.3.0")
        let folder = try folder(scratch, bringing: [(old, oldBytes), (new, newBytes)])
        #expect(folder.current == nil && folder.isSound(old.digest) && folder.isSound(new.digest))
        try folder.begin(AgentTrial(program: old, generation: GenerationID(1), seconds: 5))
        try folder.confirm(new.digest)
        #expect(folder.current == nil, "the confirmation of another program counts for nothing")
        try folder.confirm(old.digest)
        #expect(folder.current == old && folder.trial == nil)
        try folder.begin(AgentTrial(program: new, generation: GenerationID(2), seconds: 5))
        #expect(try folder.takeBack(new.digest, .noPoll))
        #expect(folder.current == old && folder.returned(GenerationID(2)) == .noPoll && folder.trial == nil)
        // Each came too late for the other.
        try folder.confirm(new.digest)
        #expect(folder.current == old)
        #expect(try !folder.takeBack(new.digest, .crashLoop))
        // Another try of the same program is another trial; going on with one does not count its starts anew.
        try folder.begin(AgentTrial(program: new, generation: GenerationID(3), seconds: 5))
        #expect(folder.returned(GenerationID(2)) == nil && folder.returned(GenerationID(3)) == nil)
        try folder.write(AgentTrial(program: new, generation: GenerationID(3), starts: 2, seconds: 5))
        try folder.begin(AgentTrial(program: new, generation: GenerationID(3), seconds: 5))
        #expect(folder.trial?.starts == 2)
        try folder.confirm(new.digest)
        #expect(folder.current == new)
        try folder.collect(keeping: [])
        // The one before it is what a launcher goes back to; beyond that nothing is kept.
        #expect(folder.previous == old && folder.isSound(old.digest) && folder.isSound(new.digest))
        try folder.point(to: nil)
        try folder.collect(keeping: [new.digest])
        #expect(!folder.isSound(old.digest) && folder.isSound(new.digest))
    }

    @Test("a crash after the confirmation's first step leaves the new program, once it is settled")
    func settled() throws {
        let scratch = try TemporaryFolder("prog")
        let (new, bytes) = try program("new", "0.3.0")
        let folder = try folder(scratch, bringing: [(new, bytes)])
        try folder.begin(AgentTrial(program: new, generation: GenerationID(2), seconds: 5))
        try FileManager.default.moveItem(
            atPath: scratch.file("agent/trial.json"), toPath: scratch.file("agent/confirmed.json"))
        try folder.settle()
        #expect(folder.current == new && folder.trial == nil)
        try folder.settle()
        #expect(folder.current == new)
    }

    @Test("a damaged program is seen, and brought anew from its blob")
    func damaged() throws {
        let scratch = try TemporaryFolder("prog")
        let (new, bytes) = try program("new", "0.3.0")
        let folder = try folder(scratch, bringing: [(new, bytes)])
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path(of: new.digest))
        try "other".write(toFile: folder.path(of: new.digest), atomically: false, encoding: .utf8)
        #expect(!folder.isSound(new.digest))
        try folder.bring(new, from: scratch.file("blob-\(new.digest.hex.prefix(8))"))
        #expect(folder.isSound(new.digest))
        #expect(FileManager.default.isExecutableFile(atPath: folder.path(of: new.digest)))
    }

    @Test("notes that cannot be read decide nothing", arguments: ["", "{", "{}", "[1]"])
    func unreadable(note: String) throws {
        let scratch = try TemporaryFolder("prog")
        let folder = try folder(scratch, bringing: [])
        try FileManager.default.createDirectory(
            atPath: scratch.file("agent"), withIntermediateDirectories: true)
        for name in ["trial.json", "returned-noPoll.json", "confirmed.json"] {
            try note.write(toFile: scratch.file("agent/" + name), atomically: true, encoding: .utf8)
        }
        try FileManager.default.createSymbolicLink(
            atPath: scratch.file("agent/current"), withDestinationPath: "/etc/passwd")
        try folder.settle()
        #expect(folder.trial == nil && folder.current == nil)
    }

    @Test("the stamp says the version of this build")
    func stamp() throws {
        #expect(MartletVersion.stamped == MartletVersion.text)
        #expect(ProgramFacts.own?.journal == Journal.form)
    }
}
