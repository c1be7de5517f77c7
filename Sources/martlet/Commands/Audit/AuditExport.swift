import ArgumentParser
import MartletAPI
import MartletTypes
import Trust

struct AuditExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write the audit log to a file that can be checked without the registry.",
        discussion: """
            JSON lines: first the signed checkpoint and the proof, then one row on each line. The rows are verified \
            while they are written. With --after only the rows after that number are written; the proof stands for \
            those before.

            Examples:
              martlet audit export --to audit-2027-01.jsonl
              martlet audit export --to february.jsonl --after 1200
              martlet audit verify --file audit-2027-01.jsonl
            """)

    @Option(help: "The file to write.", completion: .file()) var to: String
    @Option(help: "Leave out the rows up to this number.") var after: Int64 = 0
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard after >= 0 else { throw ValidationError("--after is the number of a row.") }
    }

    private struct Answer: Encodable {
        let file: String
        let rows: Int64
        let size: Int64
        let root: Digest
    }

    func run() async throws {
        let source = try await AuditSource(try options.session())
        let memory = try AuditMemory(root: source.root)
        let (checkpoint, envelope) = try await source.checkpoint()
        guard after == 0 || after < checkpoint.size else {
            throw CommandError(
                "nothingToExport", "The audit log has \(checkpoint.size) rows, none after \(after).",
                remedy: "Give a smaller --after.")
        }
        let proof = after == 0 ? [] : try await source.proof(of: after + 1, in: checkpoint.size)
        let start = try AuditFile.start(after: after, proof: proof, in: checkpoint)
        let seen = memory.checkpoint
        var verifier = AuditVerifier(after: start, seen: seen, memory: { memory.leaf($0) })
        let writer = try AuditFile.Writer(to)
        do {
            try writer.add(AuditFile.Head(checkpoint: envelope, after: after, proof: proof))
            try await source.rows(after: after, upTo: checkpoint.size) { rows in
                try verifier.add(rows)
                for row in rows { try writer.add(row) }
            }
            try verifier.finish(checkpoint)
            try writer.finish()
        } catch {
            writer.abandon()
            throw error
        }
        let answer = Answer(
            file: to, rows: checkpoint.size - after, size: checkpoint.size, root: checkpoint.root)
        try options.printer.say(answer) {
            "\(Printable.count(Int($0.rows), "row")) verified and written to \($0.file); the root of all \($0.size) is "
                + "\($0.root.hex)."
        }
    }
}
