package import MartletTypes
package import RegistryClient
package import TUF

/// Whom a publisher works with: a registry, the verified metadata, the keys, the clock.
package struct PublisherContext: Sendable {
    /// The operators' API.
    package let operators: OperatorClient
    /// Pushes and pulls.
    package let oci: OCIClient
    /// Verified metadata; refreshed as needed.
    package let tuf: TUFClient
    /// The publisher's keys.
    package let signers: [any Signer]
    /// The time for expiries.
    package let clock: Clock

    package init(
        operators: OperatorClient, oci: OCIClient, tuf: TUFClient, signers: [any Signer], clock: @escaping Clock
    ) {
        self.operators = operators
        self.oci = oci
        self.tuf = tuf
        self.signers = signers
        self.clock = clock
    }

    /// The same with other keys.
    package func with(signers: [any Signer]) -> PublisherContext {
        PublisherContext(operators: operators, oci: oci, tuf: tuf, signers: signers, clock: clock)
    }

    /// Loads the newest verified metadata; what has ended is told with who can mend it.
    func refresh() async throws {
        do {
            try await tuf.refresh(now: clock())
        } catch let error as TUFError where error.reason == .expired {
            throw PublishError.ended(error)
        }
    }

    /// The verified target at `path`; nil where nobody who may has published it.
    func target(_ path: String) async throws -> TargetFile? {
        do {
            return try await tuf.target(path)
        } catch let error as TUFError where error.reason == .expired {
            throw PublishError.ended(error)
        }
    }

    /// Throws unless enough of the signers' keys are among the role's.
    func checkSigners(_ verifier: RoleVerifier, for role: String) throws(PublishError) {
        let usable = try usableKeys(verifier, for: role)
        guard usable >= verifier.threshold else {
            throw PublishError(
                .moreSignaturesNeeded,
                "\(role) needs \(verifier.threshold) signatures and \(usable) of its keys are at hand.",
                remedy: "Give as many --key options as signatures are needed.")
        }
    }

    /// How many of the signers' keys are among the role's; throws where none is.
    func usableKeys(_ verifier: RoleVerifier, for role: String) throws(PublishError) -> Int {
        let ours = Set(signers.map(\.publicKey.keyID))
        let usable = ours.intersection(verifier.keys.keys)
        guard !usable.isEmpty else {
            throw PublishError(
                .notAPublisher,
                "The key (\(ours.sorted().map { String($0.prefix(12)) }.joined(separator: ", "))) does not sign "
                    + "for \(role).",
                remedy: TopLevelRole(rawValue: role) == nil
                    ? "Use a key that signs for \(role), or ask the owner to delegate to this one."
                    : "Use the owner's key of \(role).")
        }
        return usable.count
    }

    /// Puts a signed role; false where another version came first.
    ///
    /// A function of its own: catching inside a loop of an async function crashes the optimiser of Swift 6.3.1.
    func put(_ role: String, _ envelope: SignedEnvelope) async throws -> Bool {
        do {
            _ = try await operators.putRole(role, bytes: envelope.encoded())
            return true
        } catch {
            // Another 409 says that the release may not be published at all: no new attempt helps then.
            guard error.status == 409, error.code == "versionConflict" else { throw error }
            return false
        }
    }
}

/// Where an operator's trust in a registry begins.
package enum TrustAnchor {
    /// The first root metadata of a registry, which must be the one whose digest is known; nil takes what comes, for
    /// the caller to show its digest to a person.
    package static func root(http: HTTPClient, expecting digest: Digest?) async throws -> [UInt8] {
        let path = MetadataPath.file(RootMetadata.type, version: 1)
        guard let bytes = try await HTTPMetadataFetcher(http: http).fetch(path, limit: Limits.tufRootBytes) else {
            throw PublishError(
                .badRegistry, "The registry \(http.origin) has no root metadata yet.",
                remedy: "Run `martlet trust init` first.")
        }
        let found = Digest.of(bytes)
        guard digest == nil || digest == found else {
            throw PublishError(
                .rootMismatch, "The registry's first root has digest \(found), this operator trusts another.",
                remedy: "Check the registry's address; if it was set up anew, log in again.")
        }
        return bytes
    }
}
