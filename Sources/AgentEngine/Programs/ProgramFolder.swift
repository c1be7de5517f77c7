package import AgentStore
internal import Glibc
package import MartletTypes

/// The agent's programs side by side below the data folder, and which of them runs. Every step is one rename, so that a
/// crash at any instant leaves the old program or the new one, and at most one verdict on a trial.
///
///     agent/programs/HEX/martlet-agent   a program by its digest, with program.json beside it
///     agent/current                      a link to the one that proved itself; absent: the installed program
///     agent/previous                     a link to the one that ran before it; absent: the installed program
///     agent/trial.json                   what is to prove itself
///     agent/starts.json                  how often `current` was started since it ran for a while
///     agent/falls.json                   what was given up after it had proved itself
///     agent/asked.json                   how often a restart into a program was asked for in vain
///     agent/returned-REASON.json         what was taken back last, and why
package struct ProgramFolder: Sendable {
    let root: String
    let files: any FileSystem

    /// Below the data folder.
    package init(data: String, files: any FileSystem = RealFileSystem()) {
        root = data + "/agent"
        self.files = files
    }

    /// How often a program on trial may be started before it is blamed for its ends.
    package static let startsInTrial = 3
    /// The name of the program in its folder.
    package static let name = "martlet-agent"

    package func path(of digest: Digest) -> String { "\(root)/programs/\(digest.hex)/\(Self.name)" }

    // MARK: What stands there

    /// What proved itself last; nil is the installed program.
    package var current: AgentProgram? { program(at: "current") }

    func program(at name: String) -> AgentProgram? {
        guard let link = files.destination(of: "\(root)/\(name)") else { return nil }
        let parts = link.split(separator: "/")
        guard parts.count == 3, parts[0] == "programs" else { return nil }
        return read(AgentProgram.self, "programs/\(parts[1])/program.json")
    }

    package var trial: AgentTrial? { read(AgentTrial.self, "trial.json") }

    /// Why the program of a try was taken back; nil where it was not, or another was since.
    package func returned(_ generation: GenerationID) -> AgentReturn? {
        AgentReturn.allCases.first { read(AgentTrial.self, Self.name(of: $0))?.generation == generation }
    }

    /// Whether the program of that digest is there and is what its digest says. Reads all of it.
    package func isSound(_ digest: Digest) -> Bool {
        let file = open(path(of: digest), O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        let hasher = DigestHasher()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = Glibc.read(file, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return false }
            if count == 0 { break }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        return hasher.finish() == digest
    }

    // MARK: Steps

    /// Makes a program's folder from its blob, whole or not at all.
    package func bring(_ program: AgentProgram, from blob: String) throws {
        let folder = "\(root)/programs/\(program.digest.hex)"
        // Without its description, which the links are read by, it would not be chosen.
        let described = read(AgentProgram.self, "programs/\(program.digest.hex)/program.json")
        guard described != program || !isSound(program.digest) else { return }
        for path in [root, root + "/programs"] { try files.makeFolder(path, mode: 0o755) }
        try files.removeTree(folder + ".new")
        try files.makeFolder(folder + ".new", mode: 0o755)
        let bytes = try files.open(blob, .read)
        defer { bytes.close() }
        let copy = try files.open("\(folder).new/\(Self.name)", .create(0o755))
        do {
            try Self.copy(bytes, to: copy)
            try copy.synchronize()
        } catch {
            copy.close()
            throw error
        }
        copy.close()
        try files.setMode("\(folder).new/\(Self.name)", 0o755)
        try files.writeAtomically(JSONText.encode(program), to: folder + ".new/program.json")
        try files.synchronizeFolder(folder + ".new")
        try files.removeTree(folder)
        try files.rename(folder + ".new", to: folder)
        try files.synchronizeFolder(root + "/programs")
    }

    /// Notes that a program is to prove itself from the next start on. What was noted of earlier ones is forgotten; a
    /// trial that goes on keeps its count of starts.
    package func begin(_ trial: AgentTrial) throws {
        guard self.trial?.generation != trial.generation else { return }
        for reason in AgentReturn.allCases { try files.remove("\(root)/\(Self.name(of: reason))") }
        // Who assigns it anew wants it to be tried anew. Before the trial: once it is confirmed nothing may stand
        // against it.
        try forgetFall(of: trial.program)
        try forgetAsked()
        try write(trial)
    }

    /// Writes how often the program on trial was started.
    package func write(_ trial: AgentTrial) throws {
        try files.makeFolder(root, mode: 0o755)
        try files.writeAtomically(JSONText.encode(trial), to: root + "/trial.json")
    }

    /// The program on trial reached the registry: it stays. Does nothing where it was taken back at the same moment.
    package func confirm(_ digest: Digest) throws {
        guard let trial, trial.program.digest == digest else { return }
        // One rename decides against who takes it back; what is left to do after a crash here, `settle` does.
        guard claim("confirmed.json") else { return }
        try settle()
    }

    /// Takes the program on trial back. Returns false where it was confirmed at the same moment, or another is on
    /// trial.
    @discardableResult
    package func takeBack(_ digest: Digest, _ reason: AgentReturn) throws -> Bool {
        guard let trial, trial.program.digest == digest else { return false }
        let isMine = claim(Self.name(of: reason))
        try files.synchronizeFolder(root)
        return isMine
    }

    /// Finishes what a crash interrupted.
    package func settle() throws {
        guard let confirmed = read(AgentTrial.self, "confirmed.json") else { return }
        if current != confirmed.program {
            // What ran until now is what a launcher goes back to.
            try setLink("previous", to: current)
            try setLink("current", to: confirmed.program)
        }
        try files.remove(root + "/confirmed.json")
        try files.synchronizeFolder(root)
    }

    /// Makes a program the one that runs from the next start on, without a trial; nil is the installed one. What ran
    /// before is not gone back to.
    package func point(to program: AgentProgram?) throws {
        if program == nil || program != current { try setLink("previous", to: nil) }
        try setLink("current", to: program)
        if files.status(root) != nil { try files.synchronizeFolder(root) }
    }

    func setLink(_ name: String, to program: AgentProgram?) throws {
        if let program {
            try files.replaceLink("\(root)/\(name)", to: "programs/\(program.digest.hex)/\(Self.name)")
        } else {
            try files.remove("\(root)/\(name)")
        }
    }

    /// Forgets a trial whose program stays already.
    package func forgetTrial() throws {
        try files.remove(root + "/trial.json")
        try files.synchronizeFolder(root)
    }

    /// Removes the programs that neither run nor are needed. What cannot be removed keeps nothing else; the first such
    /// error is thrown in the end.
    package func collect(keeping kept: Set<Digest>) throws {
        guard files.status(root + "/programs") != nil else { return }
        let needed = [current?.digest, previous?.digest, trial?.program.digest].compactMap(\.self)
        let names = Set(kept.union(needed).map(\.hex))
        var failures = FirstFailure()
        for name in try files.names(in: root + "/programs") where !names.contains(name) {
            failures.note { () throws(AgentStoreError) in try files.removeTree("\(root)/programs/\(name)") }
        }
        try failures.end()
    }

    // MARK: Files

    private static func name(of reason: AgentReturn) -> String { "returned-\(reason.rawValue).json" }

    /// Whether this caller was the one that renamed the trial's note.
    private func claim(_ name: String) -> Bool { Glibc.rename(root + "/trial.json", "\(root)/\(name)") == 0 }

    func read<Value: Decodable>(_ type: Value.Type, _ name: String) -> Value? {
        do {
            guard let bytes = try files.contents(of: "\(root)/\(name)") else { return nil }
            return try JSONText.decode(type, from: bytes)
        } catch {
            // What cannot be read decides nothing: the program that runs goes on.
            return nil
        }
    }

    private static func copy(_ source: any StoredFile, to target: any StoredFile) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = try source.read(into: buffer)
            guard count > 0 else { return }
            try target.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}
