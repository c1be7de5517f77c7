import ArgumentParser
import FoundationEssentials
import MartletTypes
import Publishing
import Synchronization
import Trust

// A command that signs takes each private key as a `KeyLocation` (a path, or a URI of a token) and opens it by
// `KeyOptions`; one that may make keys takes `NewKeyOptions` instead.

extension KeyLocation: ExpressibleByArgument {
    /// Any text but none at all.
    public init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        self.init(argument)
    }
}

extension KeyPair.Kind: ExpressibleByArgument {
    private static let words: [(word: String, kind: Self)] = [("ed25519", .ed25519), ("ecdsa-p256", .ecdsaP256)]

    /// One of `allValueStrings`.
    public init?(argument: String) {
        guard let known = Self.words.first(where: { $0.word == argument }) else { return nil }
        self = known.kind
    }

    /// The word of this kind.
    public var defaultValueDescription: String { Self.words.first { $0.kind == self }?.word ?? rawValue }

    /// The words that the command line knows.
    public static var allValueStrings: [String] { words.map(\.word) }
}

/// How the passphrases and PINs of private keys are given, the same for every command that signs.
struct KeyOptions: ParsableArguments {
    @Option(
        help: """
            A file whose first line is the passphrase, or PIN, of the private keys; /dev/stdin is one \
            ($MARTLET_PASSPHRASE_FILE).
            """,
        completion: .file())
    var passphraseFile: String?

    @Option(help: "The number of an open file descriptor that gives the passphrase ($MARTLET_PASSPHRASE_FD).")
    var passphraseFd: Int32?

    @Option(
        help: """
            The systemd credential that holds the passphrase ($MARTLET_PASSPHRASE_CREDENTIAL); without any of these, \
            martlet-passphrase where a service has it, else the terminal asks.
            """)
    var passphraseCredential: String?

    /// The credential that needs no option.
    private static let usualCredential = "martlet-passphrase"

    func validate() throws {
        let given = [passphraseFile != nil, passphraseFd != nil, passphraseCredential != nil].count { $0 }
        guard given <= 1 else {
            throw ValidationError("Give one of --passphrase-file, --passphrase-fd and --passphrase-credential.")
        }
        if let passphraseFd, passphraseFd < 0 { throw ValidationError("--passphrase-fd is 0 or more.") }
    }

    /// Opens a key; its passphrase comes from where the options say, else from the terminal.
    func open(_ key: KeyLocation) throws -> KeyPair {
        try key.open { try passphrase(of: key) }
    }

    /// Opens each key, in this order.
    func open(_ keys: [KeyLocation]) throws -> [KeyPair] { try keys.map { try open($0) } }

    /// The passphrase of a key that exists.
    func passphrase(of key: KeyLocation) throws -> [UInt8]? {
        if let known = try given() { return known }
        let what = key.isToken ? "PIN" : "Passphrase"
        guard Terminal.isThere else {
            throw CommandError(
                "passphraseNeeded", "The \(what.lowercased()) of \(key) is needed, and there is no terminal to ask on.",
                remedy: "Give --passphrase-file FILE, --passphrase-fd NUMBER or --passphrase-credential NAME.")
        }
        return try Terminal.ask("\(what) of \(key): ")
    }

    /// The passphrase that needs nobody to ask: of a flag, else of the environment, else of systemd.
    func given() throws -> [UInt8]? {
        let environment = ProcessInfo.processInfo.environment
        guard let source = try source(environment) else { return nil }
        // A descriptor can be read once, and one command may open many keys.
        return try Self.known.withLock { known in
            if let secret = known[source] { return secret }
            let secret = try source.read(environment: environment)
            known[source] = secret
            return secret
        }
    }

    private static let known = Mutex<[PassphraseSource: [UInt8]]>([:])

    private func source(_ environment: [String: String]) throws -> PassphraseSource? {
        if let passphraseFile { return .file(passphraseFile) }
        if let passphraseFd { return .descriptor(passphraseFd) }
        if let passphraseCredential { return .credential(passphraseCredential) }
        if let file = environment["MARTLET_PASSPHRASE_FILE"], !file.isEmpty { return .file(file) }
        if let text = environment["MARTLET_PASSPHRASE_FD"], !text.isEmpty {
            guard let number = Int32(text), number >= 0 else {
                throw ValidationError("MARTLET_PASSPHRASE_FD is \"\(text)\"; it is the number of a file descriptor.")
            }
            return .descriptor(number)
        }
        if let name = environment["MARTLET_PASSPHRASE_CREDENTIAL"], !name.isEmpty { return .credential(name) }
        let isThere = PassphraseSource.hasCredential(Self.usualCredential, environment: environment)
        return isThere ? .credential(Self.usualCredential) : nil
    }
}

/// The same for commands that make private keys.
struct NewKeyOptions: ParsableArguments {
    @OptionGroup var existing: KeyOptions

    @Flag(help: "Leave new private keys unencrypted; for trials and for disks that are encrypted as a whole.")
    var noPassphrase = false

    @Option(help: "The kind of new private keys.")
    var keyType: KeyPair.Kind = .ed25519

    /// Opens a key that exists.
    func open(_ key: KeyLocation) throws -> KeyPair { try existing.open(key) }

    /// Opens the key called `name`, or makes it where it is absent.
    func open(_ name: String, in folder: OfflineKeys) throws -> KeyPair {
        try folder.open(
            name, kind: keyType, passphrase: { try existing.passphrase(of: folder.location(name)) },
            newPassphrase: newPassphrase)
    }

    /// The passphrase for new keys, asked for twice where it is typed, once in a process; nil leaves them unencrypted.
    func newPassphrase() throws -> [UInt8]? {
        try Self.chosen.withLock { chosen in
            if let chosen { return chosen }
            let answer = try choose()
            chosen = .some(answer)
            return answer
        }
    }

    private static let chosen = Mutex<[UInt8]??>(nil)

    private func choose() throws -> [UInt8]? {
        if noPassphrase { return nil }
        if let given = try existing.given() { return given }
        guard Terminal.isThere else {
            throw CommandError(
                "passphraseNeeded", "New private keys need a passphrase, and there is no terminal to ask on.",
                remedy: "Give --passphrase-file FILE, --passphrase-fd NUMBER, or --no-passphrase.")
        }
        let first = try Terminal.ask("Passphrase for the new keys: ")
        guard !first.isEmpty else {
            throw CommandError(
                "passphraseMismatch", "The passphrase is empty.",
                remedy: "Type one, or give --no-passphrase for unencrypted keys.")
        }
        guard try Terminal.ask("Again: ") == first else {
            throw CommandError(
                "passphraseMismatch", "The two passphrases differ.", remedy: "Run the command again.")
        }
        return first
    }
}

/// `NAMESPACE=KEY`: which private key signs for a namespace.
struct NamespaceKey: Sendable {
    let namespace: String
    let key: KeyLocation

    /// Throws `InvalidValue`.
    init(_ text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2 else {
            throw InvalidValue(
                kind: "namespace's key", value: text, rule: "NAMESPACE=KEY, e.g. clinic=keys/clinic.pem")
        }
        namespace = parts[0]
        key = KeyLocation(parts[1])
    }
}
