package import MartletAPI
package import MartletTypes
package import RegistryClient
package import TUF
package import Trust

/// Who shall sign for a namespace.
package struct NamespaceSigners: Sendable {
    /// The namespace, e.g. `clinic`.
    package let namespace: String
    /// The publishers' public keys.
    package let keys: [PublicKey]
    /// How many of them must sign a release.
    package let threshold: Int
    /// Those at hand, who sign the namespace's first, empty metadata; at least `threshold`.
    package let signers: [any Signer]

    package init(namespace: String, keys: [PublicKey], threshold: Int, signers: [any Signer]) {
        self.namespace = namespace
        self.keys = keys
        self.threshold = threshold
        self.signers = signers
    }

    /// A namespace of one publisher.
    package init(namespace: String, key: KeyPair) {
        self.init(namespace: namespace, keys: [key.publicKey], threshold: 1, signers: [key])
    }
}

/// Makes the first trust, on the owner's machine: root and targets are signed here and only public halves leave it.
package struct TrustCeremony: Sendable {
    /// What was made.
    package struct Result: Sendable {
        /// Digest of the first root metadata: what devices and operators pin.
        package let rootDigest: Digest
        /// Its bytes.
        package let root: [UInt8]
        /// The document that names director, authorities and addresses.
        package let trustDocument: TrustDocument
    }

    private let operators: OperatorClient
    private let clock: Clock

    package init(operators: OperatorClient, clock: @escaping Clock) {
        self.operators = operators
        self.clock = clock
    }

    /// Fetches the registry's online public keys, signs root, targets and the namespaces' roles, and uploads them.
    package func run(
        root rootKeys: [any Signer], rootThreshold: Int = 1, targets targetsKeys: [any Signer],
        targetsThreshold: Int = 1, namespaces: [NamespaceSigners] = [], blobOrigins: [String] = []
    ) async throws -> Result {
        let online = try await operators.onlineKeys()
        let (document, metadata) = try Self.make(
            online: online, root: rootKeys, rootThreshold: rootThreshold, targets: targetsKeys,
            targetsThreshold: targetsThreshold, namespaces: namespaces, blobOrigins: blobOrigins, now: clock())
        try await operators.initializeTrust(metadata)
        let root = Array(metadata.root.utf8)
        return Result(rootDigest: .of(root), root: root, trustDocument: document)
    }

    /// The first metadata, signed; pure.
    package static func make(
        online: OnlineKeys, root rootKeys: [any Signer], rootThreshold: Int, targets targetsKeys: [any Signer],
        targetsThreshold: Int, namespaces: [NamespaceSigners], blobOrigins: [String], now: Timestamp
    ) throws -> (TrustDocument, TrustInitialization) {
        let document = try trustDocument(online, blobOrigins: blobOrigins)
        let documentBytes = try document.encoded()
        let root = try RootMetadata.new(
            expires: now + MetadataLifetime.root,
            roles: [
                .root: (rootKeys.map(\.publicKey), rootThreshold),
                .targets: (targetsKeys.map(\.publicKey), targetsThreshold),
                .snapshot: ([try PublicKey(json: online.snapshot)], 1),
                .timestamp: ([try PublicKey(json: online.timestamp)], 1),
            ])
        var targets = TargetsMetadata(
            expires: now + MetadataLifetime.targets,
            targets: [
                TrustDocument.path: TargetFile(length: Int64(documentBytes.count), digest: .of(documentBytes))
            ])
        var delegated: [String: String] = [:]
        for namespace in namespaces {
            let layout = try NamespaceLayout(namespace.namespace)
            targets = try layout.delegated(in: targets, keys: namespace.keys, threshold: namespace.threshold)
            let files = try layout.make(
                keys: namespace.keys, threshold: namespace.threshold, signers: namespace.signers, now: now)
            for (role, envelope) in files { delegated[role] = text(envelope.encoded()) }
        }
        let metadata = TrustInitialization(
            root: text(try SignedEnvelope.sign(root.json, by: rootKeys).encoded()),
            targets: text(try SignedEnvelope.sign(targets.json, by: targetsKeys).encoded()), delegated: delegated,
            trustDocument: text(documentBytes))
        return (document, metadata)
    }

    private static func trustDocument(_ online: OnlineKeys, blobOrigins: [String]) throws -> TrustDocument {
        let director = try PublicKey(json: online.director)
        let authority = try CertificateFacts(Array(online.authority.utf8))
        guard authority.isAuthority else {
            throw PublishError(
                .badRegistry, "The certificate that the registry calls its authority may not sign others.",
                remedy: "Start the registry on an empty data folder, or mend its certificate.")
        }
        guard !online.addresses.isEmpty else {
            throw PublishError(
                .badRegistry, "The registry names no address for devices.",
                remedy: "Start it with --device-address, the address that devices reach.")
        }
        for address in online.addresses + blobOrigins { _ = try Origin(address) }
        return TrustDocument(
            directorKeys: [director.keyID: director], certificateAuthorities: [online.authority],
            addresses: online.addresses, blobOrigins: blobOrigins)
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
