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

    private func write(_ falls: ArraySlice<ProgramFall>) throws {
        try files.writeAtomically(JSONText.encode(Array(falls)), to: root + "/falls.json")
    }
}
