import MartletAPI
import MartletTypes
import Synchronization
import TUF
import Trust

/// The keys that the registry itself holds: snapshot, timestamp and director, and the authority for certificates.
///
/// With all of them an attacker can withhold and delay, and choose among what publishers signed; nothing more (DESIGN
/// 4). Which of them are used is what owners signed: of each kind there is one, and one more while it is rotated.
/// Once owners no longer name the former one, it is removed from the disk.
final class OnlineKeyring: Sendable {
    /// A key, and the one that shall follow it.
    private struct Line {
        var current: KeyPair
        var next: KeyPair?

        var held: [KeyPair] { [current] + [next].compactMap(\.self) }
    }

    private struct State {
        var lines: [OnlineKeyName: Line]
        var authority: CertificateAuthority
        var nextAuthority: CertificateAuthority?
        /// Certificates of authorities whose keys are gone; devices may still present what they signed.
        var formerAuthorities: [[UInt8]]
        /// Those that sign assignments now.
        var directors: [KeyPair]
    }

    private let state: Mutex<State>
    private let files: OnlineKeyFiles

    private init(_ state: State, _ files: OnlineKeyFiles) {
        self.state = Mutex(state)
        self.files = files
    }

    /// Opens the keys of a data folder and makes those that are missing, each in a file of its own with mode 0600.
    static func open(_ folder: DataFolder, now: Timestamp) throws -> OnlineKeyring {
        let files = OnlineKeyFiles(folder: folder)
        var lines: [OnlineKeyName: Line] = [:]
        for name in OnlineKeyName.allCases where name != .authority {
            lines[name] = Line(
                current: try files.key(name.rawValue, .ed25519), next: try files.existing(OnlineKeyFiles.next(name)))
        }
        let authority = try files.authority(now: now)
        let state = State(
            lines: lines, authority: authority, nextAuthority: try files.nextAuthority(),
            formerAuthorities: try files.formerAuthorities(), directors: [lines[.director]?.current].compactMap(\.self))
        return OnlineKeyring(state, files)
    }

    // MARK: - What is used

    /// What signs certificates, and the device listener's own.
    var authority: CertificateAuthority { state.withLock { $0.authority } }

    /// What signs assignments: during a rotation both, so that devices accept them before and after they followed.
    var directors: [KeyPair] { state.withLock { $0.directors } }

    /// The one of them that devices have known longest: for what one key must sign.
    var director: KeyPair {
        get throws {
            guard let key = directors.first else {
                throw ServerError(
                    500, "wrongOnlineKey", "No director key that owners have signed for is in the data folder.",
                    remedy: "Restore the keys that belong to this database, or rotate the director's key.",
                    fault: .environment)
            }
            return key
        }
    }

    /// Certificates of all authorities that have signed for devices, the present one first.
    var deviceAuthorities: [[UInt8]] {
        state.withLock { state in
            [state.authority.certificatePEM] + [state.nextAuthority?.certificatePEM].compactMap(\.self)
                + state.formerAuthorities
        }
    }

    /// Identifiers of all keys that stand here and might sign metadata or assignments.
    var keyIDs: Set<String> {
        state.withLock { Set($0.lines.values.flatMap { $0.held.map(\.publicKey.keyID) }) }
    }

    /// The key of an online role that a root names; nil where this registry does not hold it.
    func signer(for role: TopLevelRole, in root: RootMetadata) -> KeyPair? {
        guard let name = OnlineKeyName(rawValue: role.rawValue) else { return nil }
        let named = root.verifier(for: role).keys
        return state.withLock { $0.lines[name]?.held.last { named[$0.publicKey.keyID] != nil } }
    }

    /// The director's keys that a trust document names.
    func directors(in document: TrustDocument) -> [KeyPair] {
        state.withLock { state in
            state.lines[.director]?.held.filter { document.directorKeys[$0.publicKey.keyID] != nil } ?? []
        }
    }

    /// Whether a trust document names an authority whose key is here.
    func holdsAuthority(of document: TrustDocument) throws -> Bool {
        let named = try Self.fingerprints(document)
        return state.withLock { state in
            named.contains(state.authority.facts.sha256Fingerprint)
                || state.nextAuthority.map { named.contains($0.facts.sha256Fingerprint) } ?? false
        }
    }

    /// The public halves; `next` holds what owners have not signed for, or not alone.
    func publicHalves(addresses: [String]) -> OnlineKeys {
        state.withLock { state in
            var next = state.lines.reduce(into: [String: JSONValue]()) {
                $0[$1.key.rawValue] = $1.value.next?.publicKey.json
            }
            next[OnlineKeyName.authority.rawValue] = state.nextAuthority.map {
                .string(String(decoding: $0.certificatePEM, as: UTF8.self))
            }
            func current(_ name: OnlineKeyName) -> JSONValue { state.lines[name]?.current.publicKey.json ?? .null }
            return OnlineKeys(
                snapshot: current(.snapshot), timestamp: current(.timestamp), director: current(.director),
                authority: String(decoding: state.authority.certificatePEM, as: UTF8.self), addresses: addresses,
                next: next.isEmpty ? nil : next)
        }
    }

    // MARK: - Rotation

    /// Makes the next key of a kind where there is none yet; returns whether it did.
    func makeNext(_ name: OnlineKeyName, now: Timestamp) throws -> Bool {
        try state.withLock { state in
            if name == .authority {
                guard state.nextAuthority == nil else { return false }
                state.nextAuthority = try files.makeNextAuthority(now: now)
            } else {
                guard state.lines[name]?.next == nil else { return false }
                state.lines[name]?.next = try files.key(OnlineKeyFiles.next(name), .ed25519)
            }
            return true
        }
    }

    /// Takes up what owners have signed: uses what they name, and removes a former key that they name no more.
    ///
    /// May be called again at any time. Returns the kinds whose former key is gone.
    func settle(root: RootMetadata, document: TrustDocument?) throws -> [OnlineKeyName] {
        try state.withLock { state in
            var settled: [OnlineKeyName] = []
            for (name, role) in [(OnlineKeyName.snapshot, TopLevelRole.snapshot), (.timestamp, .timestamp)] {
                let named = root.verifier(for: role).keys
                if try promote(name, &state, where: { named[$0.publicKey.keyID] != nil }) { settled.append(name) }
            }
            guard let document else { return settled }
            let named = document.directorKeys
            if try promote(.director, &state, where: { named[$0.publicKey.keyID] != nil }) { settled.append(.director) }
            state.directors = state.lines[.director]?.held.filter { named[$0.publicKey.keyID] != nil } ?? []
            let authorities = try Self.fingerprints(document)
            if let next = state.nextAuthority, authorities.contains(next.facts.sha256Fingerprint),
                !authorities.contains(state.authority.facts.sha256Fingerprint)
            {
                try files.promoteAuthority(former: state.authority)
                state.formerAuthorities.append(state.authority.certificatePEM)
                state.authority = next
                state.nextAuthority = nil
                settled.append(.authority)
            }
            return settled
        }
    }

    /// The next key takes the place of the former one where it alone is named.
    private func promote(
        _ name: OnlineKeyName, _ state: inout State, where isNamed: (KeyPair) -> Bool
    ) throws -> Bool {
        guard let line = state.lines[name], let next = line.next, isNamed(next), !isNamed(line.current) else {
            return false
        }
        try files.promote(name)
        state.lines[name] = Line(current: next, next: nil)
        return true
    }

    private static func fingerprints(_ document: TrustDocument) throws -> Set<String> {
        Set(try document.certificateAuthorities.map { try CertificateFacts(Array($0.utf8)).sha256Fingerprint })
    }
}
