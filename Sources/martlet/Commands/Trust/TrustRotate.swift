import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import TUF
import Trust

struct TrustRotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Change who signs a role: root, targets, a namespace, or a key that the registry holds.",
        discussion: """
            Of root, targets and namespaces a new key is made here and takes the place of the one there was; with \
            --add-key and --remove-key just those change. What the change makes invalid is signed again with it.

            Of the registry's own keys (snapshot, timestamp, director, authority) the registry makes the next one. \
            Snapshot and timestamp change in one step. Director and authority are named beside the former one first, \
            so that nobody is cut off; when devices have followed, --finish ends it and the registry drops the former \
            key. With --finish at once nothing overlaps: for a key that was stolen.

            Examples:
              martlet trust rotate root --keys /media/usb/keys
              martlet trust rotate clinic --add-key bob.pub --threshold 2
              martlet trust rotate director
              martlet trust rotate director --finish
            """)

    @Argument(help: "root, targets, snapshot, timestamp, director, authority, or a namespace.") var role: String
    @Option(help: "A key that may sign from now on: its public or private half.", completion: .file())
    var addKey: [KeyLocation] = []
    @Option(help: "The identifier (8 characters are enough) of a key that may not any more.") var removeKey: [String] =
        []
    @Option(help: "How many must sign.", transform: Count.positive) var threshold: Int?
    @Flag(help: "Name the registry's next key alone.") var finish = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        let isOnline = OnlineKeyName(rawValue: role) != nil
        if isOnline, !addKey.isEmpty || !removeKey.isEmpty || threshold != nil {
            throw ValidationError("The registry makes the key of \(role) itself.")
        }
        if finish, !isOnline { throw ValidationError("--finish goes with director and authority.") }
    }

    func run() async throws {
        let session = try options.session()
        let context = try await change.context(session)
        let editor = TrustEditor(context: context)
        if let name = OnlineKeyName(rawValue: role) {
            let draft = try await editor.online(name, finish ? .finish : .overlap)
            return try await change.finish(draft, context, session, options)
        }
        var keys = KeyChange(
            adding: try addKey.map { try PublicKeyFile.read($0, change.newKeys.existing) }, removing: removeKey,
            threshold: threshold)
        var made: (key: KeyPair, location: KeyLocation)?
        if addKey.isEmpty, removeKey.isEmpty {
            try await checkSingle(context)
            let fresh = try change.makeKey(of: role)
            keys.adding = [fresh.key.publicKey]
            keys.replacesAll = true
            made = fresh
        }
        let draft = try await editor.keys(of: role, keys)
        try await change.finish(draft, context, session, options, also: [made?.key].compactMap(\.self))
        if let made { try remember(made.location, session) }
    }

    /// Where several may sign it has to be said who goes.
    private func checkSingle(_ context: PublisherContext) async throws {
        let tree = try await context.standing()
        guard let verifier = tree.verifier(for: role) else {
            throw CommandError(
                "unknownRole", "There is no role and no namespace \(role).",
                remedy: "`martlet trust status` lists them.")
        }
        guard verifier.keys.count == 1 else {
            throw CommandError(
                "severalKeys", "\(verifier.keys.count) keys may sign \(role).",
                remedy: "Say which changes with --add-key FILE and --remove-key ID.")
        }
    }

    private func remember(_ location: KeyLocation, _ session: Session) throws {
        options.printer.note("The new key is \(location). Keep it where the former one was, and a copy.")
        guard TopLevelRole(rawValue: role) == nil else { return }
        var stored = session.stored
        stored.keys = (stored.keys ?? [:]).merging([role: location.text]) { $1 }
        try stored.save(options.configurationPath)
    }
}
