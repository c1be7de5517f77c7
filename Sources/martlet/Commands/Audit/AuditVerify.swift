import ArgumentParser
import MartletTypes
import RegistryClient
import Trust

struct AuditVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check the audit log: each row, the signed root over all, and what this client saw before.",
        discussion: """
            Fetches every row, hashes it again, and compares with the checkpoint that the registry signed and with \
            the one that this client verified last, which it remembers. With --quick only the registry's proof that \
            the log continues that one is checked, in a few hundred bytes. With --file an export is checked without \
            the registry.

            Ends with code 76 and the first row that is wrong.

            Examples:
              martlet audit verify
              martlet audit verify --quick
              martlet audit verify --file audit.jsonl
            """)

    @Option(help: "Check this export instead, without the registry.", completion: .file()) var file: String?
    @Option(
        help: "The trust document that names who could sign the export (default: the one verified here last).",
        completion: .file())
    var trust: String?
    @Flag(help: "Check the proof of the registry instead of every row.") var quick = false
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if quick, file != nil { throw ValidationError("--quick asks the registry; it does not go with --file.") }
        if trust != nil, file == nil { throw ValidationError("--trust goes with --file.") }
    }

    /// What was found to be right.
    struct Answer: Encodable {
        let rows: Int64
        let root: Digest
        let signed: Timestamp
        /// Rows that were hashed again.
        let checked: Int64
        /// Rows of the checkpoint that was seen before; nil for the first time.
        let continues: Int64?
    }

    func run() async throws {
        let answer: Answer
        if let file {
            answer = try checkFile(file)
        } else {
            let source = try await AuditSource(try options.session())
            answer = quick ? try await checkProof(source) : try await checkRows(source)
        }
        try options.printer.say(answer) { answer in
            let before =
                answer.continues.map { "They continue the \($0) rows that were seen here before." }
                ?? "Nothing was remembered here before, so a log that was written anew as a whole would look the same."
            return "The audit log's \(Printable.count(Int(answer.rows), "row")) have the root \(answer.root.hex), "
                + "signed at \(answer.signed).\n\(before)"
        }
    }

    private func checkRows(_ source: AuditSource) async throws -> Answer {
        let memory = try AuditMemory(root: source.root)
        var verifier = AuditVerifier(seen: memory.checkpoint, memory: { memory.leaf($0) })
        let checkpoint = try await checkpoint(source, memory)
        try await source.rows(upTo: checkpoint.size) { try verifier.add($0) }
        try verifier.finish(checkpoint)
        try memory.remember(checkpoint, leaves: verifier.leaves, trust: source.trust.encoded())
        return Answer(
            rows: checkpoint.size, root: checkpoint.root, signed: checkpoint.time, checked: checkpoint.size,
            continues: memory.checkpoint?.size)
    }

    /// The signed checkpoint. Where the registry cannot sign its own log any more, the rows may say why.
    private func checkpoint(_ source: AuditSource, _ memory: AuditMemory) async throws -> AuditCheckpoint {
        do {
            return try await source.checkpoint().checkpoint
        } catch {
            guard (error as? ClientError)?.code == "auditBroken" else { throw error }
            var verifier = AuditVerifier(seen: memory.checkpoint, memory: { memory.leaf($0) })
            try await source.rows(upTo: .max) { try verifier.add($0) }
            throw error
        }
    }

    private func checkProof(_ source: AuditSource) async throws -> Answer {
        let memory = try AuditMemory(root: source.root)
        guard let seen = memory.checkpoint else {
            throw CommandError(
                "auditUnknown", "This client remembers no checkpoint that the log could continue.",
                remedy: "Run `martlet audit verify` without --quick first.")
        }
        let checkpoint = try await source.checkpoint().checkpoint
        guard checkpoint.size >= seen.size else {
            throw AuditFinding(
                .truncated, row: checkpoint.size + 1, "it was seen here at \(seen.time), and the log ends before it.")
        }
        let proof = try await source.proof(from: seen.size, in: checkpoint.size)
        let continues = AuditTree.isConsistent(
            from: seen.size, seen.root, to: checkpoint.size, checkpoint.root, proof: proof)
        guard continues else {
            throw AuditFinding(
                .unproven, row: nil,
                "the registry cannot prove that its \(checkpoint.size) rows continue the \(seen.size) that were seen "
                    + "here at \(seen.time). `martlet audit verify` without --quick names the row.")
        }
        return Answer(
            rows: checkpoint.size, root: checkpoint.root, signed: checkpoint.time, checked: 0, continues: seen.size)
    }

    private func checkFile(_ path: String) throws -> Answer {
        let memory = try options.stored().rootDigest.map { try AuditMemory(root: $0) }
        let document: TrustDocument
        if let trust {
            document = try TrustDocument(parsing: try LocalText.read(trust))
        } else if let memory {
            document = try memory.trustDocument()
        } else {
            throw CommandError.noTrustedRoot
        }
        let file = try AuditFile(reading: path)
        let checkpoint = try AuditCheckpoint.verify(
            file.envelope, keys: document.directorKeys, threshold: document.directorThreshold)
        let start = try file.start(in: checkpoint)
        // An older export than what was seen is no cut: its rows are compared as far as they go.
        let seen = memory?.checkpoint.flatMap { $0.size <= checkpoint.size ? $0 : nil }
        var verifier = AuditVerifier(after: start, seen: seen, memory: { memory?.leaf($0) })
        try file.rows { try verifier.add($0) }
        try verifier.finish(checkpoint)
        return Answer(
            rows: checkpoint.size, root: checkpoint.root, signed: checkpoint.time,
            checked: checkpoint.size - start.size, continues: memory?.checkpoint.map { min($0.size, checkpoint.size) })
    }
}
