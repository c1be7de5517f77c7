internal import AgentStore
package import MartletTypes

/// A program that proved itself, and ends again and again later.
extension ProgramFolder {
    /// Ends in a row, each within a minute of the start and with the machine running on, by which a program is given
    /// up.
    package static let endsInLoop = 5
    /// Starts in a row after none of which it ran for a minute, by which it is given up too: the machine may be what it
    /// takes down. Power cuts count here, so it is more than any bad day has.
    package static let startsInLoop = 20
    /// Programs that are remembered as given up, newest last.
    static let fallsKept = 8

    /// All that decides on the next start.
    package var record: ProgramRecord {
        var record = ProgramRecord()
        record.current = current
        record.previous = previous
        record.trial = trial
        record.starts = read(ProgramStarts.self, "starts.json")
        record.falls = falls
        return record
    }

    /// What ran before `current`; nil is the installed program.
    package var previous: AgentProgram? { program(at: "previous") }

    /// Why a program was given up; nil where it was not, or is to be tried anew.
    package func fall(of program: AgentProgram) -> ProgramFall? { falls.first { $0.program == program } }

    private var falls: [ProgramFall] { read([ProgramFall].self, "falls.json") ?? [] }

    /// Writes that a program is about to be started.
    package func count(_ starts: ProgramStarts) throws {
        try files.writeAtomically(JSONText.encode(starts), to: root + "/starts.json")
    }

    /// Forgets the starts of a program that ran for a while, or was asked to stop.
    package func forgetStarts(of program: Digest) throws {
        guard read(ProgramStarts.self, "starts.json")?.program == program else { return }
        try files.remove(root + "/starts.json")
        try files.synchronizeFolder(root)
    }

    /// Takes the last start of a program out of the count: it ended by what another program would end by too. On trial
    /// that is done so many times at most, since the program that cannot be helped may be the one on trial.
    package func forgive(_ program: Digest) throws {
        try forgetStarts(of: program)
        guard var trial, trial.program.digest == program, trial.starts > 0 else { return }
        let forgiven = trial.forgiven ?? 0
        guard forgiven < Self.forgivenInTrial else { return }
        trial.starts -= 1
        trial.forgiven = forgiven + 1
        try write(trial)
    }

    /// About ten minutes of starts, as a service manager makes them.
    package static let forgivenInTrial = 300

    /// Notes that a restart into a program is asked for which the launcher did not choose; false where that was done so
    /// often without success that it is useless.
    package func ask(for program: Digest) throws -> Bool {
        let known = read(ProgramWish.self, Self.wishName).flatMap { $0.program == program ? $0 : nil }
        let wish = ProgramWish(program: program, asked: (known?.asked ?? 0) + 1)
        guard wish.asked <= Self.asksInVain else { return false }
        try files.makeFolder(root, mode: 0o755)
        try files.writeAtomically(JSONText.encode(wish), to: "\(root)/\(Self.wishName)")
        return true
    }

    /// What was asked for runs, or is to be tried anew.
    package func forgetAsked() throws {
        guard files.status("\(root)/\(Self.wishName)") != nil else { return }
        try files.remove("\(root)/\(Self.wishName)")
    }

    /// Restarts into one program that the launcher may leave without effect.
    static let asksInVain = 3
    private static let wishName = "asked.json"

    /// Gives the program that proved itself up for another, nil being the installed one. After a crash within it, the
    /// next decision is the same.
    package func goBack(_ fall: ProgramFall, to target: AgentProgram?) throws {
        let others = falls.filter { $0.program != fall.program }
        try write((others + [fall]).suffix(Self.fallsKept))
        try setLink("current", to: target)
        try setLink("previous", to: nil)
        try files.remove(root + "/starts.json")
        try files.synchronizeFolder(root)
    }

    func forgetFall(of program: AgentProgram) throws {
        let others = falls.filter { $0.program != program }
        guard others.count != falls.count else { return }
        try write(others[...])
    }

    /// How often a restart into a program was asked for.
    private struct ProgramWish: Codable {
        let program: Digest
        let asked: Int
    }

    private func write(_ falls: ArraySlice<ProgramFall>) throws {
        try files.writeAtomically(JSONText.encode(Array(falls)), to: root + "/falls.json")
    }
}
