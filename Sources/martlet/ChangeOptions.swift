import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import TUF
import Trust

/// What commands that change signed roles have in common: which keys sign, and where the change goes.
struct ChangeOptions: ParsableArguments {
    @Option(
        help: """
            A private key that signs; several where several must. Without it those of the roles concerned that are in \
            --keys, or that `martlet trust` was told.
            """,
        completion: .file())
    var key: [KeyLocation] = []

    @Option(help: "The folder of private keys.", completion: .directory) var keys: String?

    @Option(
        help: "Write the change, signed by the keys at hand, to this file for others to sign, in place of sending it.",
        completion: .file())
    var out: String?

    @OptionGroup var newKeys: NewKeyOptions

    var folder: OfflineKeys { OfflineKeys(folder: keys ?? ClientConfiguration.keyFolder) }

    /// How often a key's name may have been given anew (`root`, `root-2`, …).
    private static let generations = 1...99

    /// The names that keys of a role have in the folder.
    private static func names(_ role: String) -> [String] { generations.map { $0 == 1 ? role : "\(role)-\($0)" } }

    /// A new key for a role, under the first name that is free.
    func makeKey(of role: String) throws -> (key: KeyPair, location: KeyLocation) {
        guard let name = Self.names(role).first(where: { !folder.contains($0) }) else {
            throw CommandError(
                "keyFolderFull", "\(folder.folder) has too many keys of \(role).",
                remedy: "Move those away that sign nothing any more.")
        }
        return (try newKeys.open(name, in: folder), folder.location(name))
    }

    /// The registry as somebody without keys sees it.
    func context(_ session: Session) async throws -> PublisherContext {
        var publisher = PublisherOptions()
        publisher.keys = newKeys.existing
        return try await publisher.context(session, keys: [])
    }

    /// The keys that are named, else those that are here for the roles that a change concerns.
    func signers(of draft: ChangeDraft, _ session: Session) throws -> [KeyPair] {
        if !key.isEmpty { return try newKeys.existing.open(key) }
        let next = try draft.next
        var roles = Set(draft.roles.keys.map { next.namespace(of: $0) ?? $0 })
        roles.formUnion(draft.roles.keys.compactMap { draft.former.namespace(of: $0) })
        var locations: [KeyLocation] = []
        for role in roles.sorted() {
            locations += Self.names(role).filter(folder.contains).map(folder.location)
            if let known = session.stored.keys?[role].map({ KeyLocation($0) }), !locations.contains(known) {
                locations.append(known)
            }
        }
        return try newKeys.existing.open(locations)
    }

    /// Makes a change, shows it and, if it `asks`, lets a person agree; then finishes it.
    func finish(
        _ session: Session, _ options: GlobalOptions, asking asks: Bool,
        _ make: (TrustEditor) async throws -> ChangeDraft
    ) async throws {
        let context = try await context(session)
        let draft = try await make(TrustEditor(context: context))
        try TrustSign.confirm(try ChangeSummary(draft), options, asks: asks)
        try await finish(draft, context, session, options)
    }

    /// Signs a change and sends it, or writes it to the file; prints what became of it.
    func finish(
        _ draft: ChangeDraft, _ context: PublisherContext, _ session: Session, _ options: GlobalOptions,
        also more: [any Signer] = []
    ) async throws {
        let signers: [any Signer] = try signers(of: draft, session) + more
        if let out {
            let (signed, _) = try draft.signed(by: signers)
            try ChangeFile.write(signed, to: out)
            try ChangeAnswer(state: .written, progress: try signed.progress(), file: out).print(options)
            return
        }
        let outcome = try await ChangeSubmission(context: context.with(signers: signers)).submit(draft)
        try ChangeAnswer(outcome, draft).print(options)
    }
}

/// The file in which a change goes from hand to hand.
enum ChangeFile {
    static func read(_ path: String) throws -> ChangeDraft { try ChangeDraft(parsing: try LocalText.read(path)) }

    static func write(_ draft: ChangeDraft, to path: String) throws {
        try LocalText.write(try draft.encoded(), to: path)
    }
}

/// What became of a change, as programs read it.
struct ChangeAnswer: Encodable {
    enum State: String, Encodable {
        /// It stands; devices follow at their next refresh.
        case done
        /// It waits in the registry for further signatures.
        case pending
        /// It is in a file, for others to sign.
        case written
    }

    let state: State
    var proposal: String?
    var roles: [String: Int64] = [:]
    var progress: [Proposal.Progress] = []
    var file: String?

    init(state: State, progress: [Proposal.Progress], file: String? = nil) {
        self.state = state
        self.progress = progress
        self.file = file
        roles = Dictionary(progress.map { ($0.role, $0.version) }) { $1 }
    }

    init(_ outcome: ChangeOutcome, _ draft: ChangeDraft) throws {
        switch outcome {
        case .done(let receipt):
            state = .done
            roles = receipt.roles
        case .pending(let proposal):
            state = .pending
            self.proposal = proposal.id
            progress = proposal.progress
            roles = Dictionary(progress.map { ($0.role, $0.version) }) { $1 }
        }
    }

    /// The roles that lack signatures, in words.
    var missing: String {
        progress.filter { !$0.isComplete }.map { "\($0.role) (\($0.signed.count) of \($0.needed))" }
            .prefix(4).joined(separator: ", ")
    }

    func print(_ options: GlobalOptions) throws {
        try options.printer.say(self) { answer in
            switch answer.state {
            case .done:
                let roles = answer.roles.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
                let more = roles.count > 4 ? " and \(roles.count - 4) more" : ""
                return "Done: \(roles.prefix(4).joined(separator: ", "))\(more). Devices follow at their next refresh."
            case .pending:
                return """
                    Waiting for signatures as \(answer.proposal ?? ""): \(answer.missing).
                    Others run `martlet trust sign \(answer.proposal ?? "")`.
                    """
            case .written:
                let (missing, file) = (answer.missing, answer.file ?? "")
                return missing.isEmpty
                    ? "Written to \(file), signed by enough. Run `martlet trust submit \(file)`."
                    : "Written to \(file). Missing: \(missing). Others run `martlet trust sign FILE`."
            }
        }
    }
}
