import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import Trust

struct TrustStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show each role's version, who signs it, when it ends, and what must be signed soon.",
        discussion: """
            Versions and ends are what the registry says of itself; keys are what this machine has verified, where it \
            believes a root. With --output json the bins of each namespace are listed too.

            Example: martlet trust status
            """)
    @OptionGroup var options: GlobalOptions

    /// Roles with their warnings, as programs read them.
    private struct Answer: Encodable {
        struct Role: Encodable {
            let role: String
            let version: Int64
            let expires: Timestamp?
            let threshold: Int?
            let keys: [String]?
        }

        let roles: [Role]
        /// Whom devices believe beside the roles.
        let directorKeys: [String]?
        let authorities: [String]?
        let addresses: [String]?
        let pending: Int
        let warnings: [MetadataRoles.Warning]
    }

    func run() async throws {
        let session = try options.session()
        let status = try await session.get(OperatorRoutes.status, as: RegistryStatus.self)
        let roles = MetadataRoles(status)
        let warnings = roles.warnings(now: systemClock())
        let known = await looked(session, roles)
        let pending = try await pending(session)
        let answer = Answer(
            roles: status.metadataVersions.sorted { $0.key < $1.key }.map { name, version in
                let verifier = known?.tree.verifier(for: name)
                return .init(
                    role: name, version: version, expires: status.metadataExpiries[name],
                    threshold: verifier?.threshold, keys: verifier?.keys.keys.sorted())
            },
            directorKeys: known?.document.directorKeys.keys.sorted(),
            authorities: try known?.document.certificateAuthorities.map {
                try CertificateFacts(Array($0.utf8)).sha256Fingerprint
            }, addresses: known?.document.addresses, pending: pending, warnings: warnings)
        try options.printer.show(answer) { _ in
            var table = Table(heads: ["role", "version", "bins", "ends", "signed by"])
            table.rows = roles.groups.map {
                [
                    $0.name, String($0.version), $0.isNamespace ? String($0.bins) : "-", $0.ends.description,
                    Self.words(known?.tree.verifier(for: $0.name)),
                ]
            }
            table.whenEmpty = "the registry has no root yet; run `martlet trust init`"
            return table
        }
        if let known, known.document.directorKeys.count > 1 || known.document.certificateAuthorities.count > 1 {
            options.printer.note("A rotation of director or authority is under way; end it with `… --finish`.")
        }
        if pending > 0 { options.printer.note("\(pending) waiting for signatures: `martlet trust pending`.") }
        for warning in warnings { options.printer.note(warning.text) }
    }

    /// How many changes wait, among those that the token may see.
    private func pending(_ session: Session) async throws -> Int {
        do {
            return try await session.registry.proposals().count
        } catch {
            // A token of certain fleets has nothing to do with signatures.
            guard error.status == 403 else { throw error }
            return 0
        }
    }

    /// What this machine has verified; where that fails, why is told, and the rest is shown all the same.
    private func looked(
        _ session: Session, _ roles: MetadataRoles
    ) async -> (tree: DelegationTree, document: TrustDocument)? {
        do {
            return try await verified(session, roles)
        } catch {
            let why = (error as? any MartletError)?.message ?? "\(error)"
            options.printer.note("Keys are not shown: \(why)")
            return nil
        }
    }

    /// What this machine has verified; nil where it believes no root, or the registry has none.
    private func verified(
        _ session: Session, _ roles: MetadataRoles
    ) async throws -> (tree: DelegationTree, document: TrustDocument)? {
        guard session.stored.rootDigest != nil, !roles.groups.isEmpty else { return nil }
        let context = try await PublisherOptions.parse([]).context(session, keys: [])
        let document = try await TrustEditor(context: context).trustDocument()
        return (try await context.standing(), document)
    }

    /// `2 of 3f9a77c10b2e, 77c10b2e4d5f`.
    private static func words(_ verifier: RoleVerifier?) -> String {
        guard let verifier else { return "-" }
        let keys = verifier.keys.keys.sorted().map { String($0.prefix(12)) }
        return (verifier.threshold > 1 || keys.count > 1 ? "\(verifier.threshold) of " : "")
            + keys.joined(separator: ", ")
    }
}
