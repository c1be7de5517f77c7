package import AgentStore
internal import MartletAPI
package import MartletTypes
internal import RegistryClient
package import Trust

/// How a box becomes a device: from one join token to an identity on disk, with nothing trusted on first use.
///
/// The token names the registry, its first root by digest and its authority by fingerprint. What is signed up to that
/// root may come from whoever answers; the token's secret goes only over TLS that the authority vouches for. Nothing of
/// the device changes before the registry's answer was checked; a run that was cut off is done again.
package struct Enrolment: Sendable {
    private let store: AgentStore
    private let keys: DeviceKeys
    private let peer: any EnrolmentPeer
    private let clock: Clock

    package init(
        store: AgentStore, keys: DeviceKeys? = nil, peer: any EnrolmentPeer = NetworkEnrolmentPeer(),
        clock: @escaping Clock = AgentClock.systemTime
    ) {
        self.store = store
        self.keys = keys ?? DeviceKeys(store: store.identity)
        self.peer = peer
        self.clock = clock
    }

    /// Throws `alreadyEnrolled` without `force`, `authorityMismatch`, `rootMismatch`, `badAnswer`, the registry's own
    /// refusals (`joinTokenRefused`, `deviceNameTaken`), and `ClientError` where it cannot be reached.
    @discardableResult
    package func run(
        token: JoinToken, device: DeviceID, labels: Labels = .none, force: Bool = false
    ) async throws -> DeviceIdentity {
        let former = try store.identity.load()
        if let former, !force { throw Self.alreadyEnrolled(former, store.layout.root) }
        let origin = try Origin(token.registry)
        guard origin.scheme == .https else {
            throw ClientError(.insecureOrigin, origin.text, "the join token's secret must not go without TLS")
        }
        let trusted = try await bootstrap(token)
        let authorityPEM = try Self.authority(of: token, in: trusted)
        // On the disk before anybody certifies it: a certificate without its key would be lost. The same at every
        // attempt by this token, so that the registry knows who asks again because an answer was lost.
        let attempt = Digest.of(Array("\(token.secret)\n\(device)".utf8)).hex
        let (keyName, key) = try keys.ofAttempt(attempt)
        let request = EnrolRequest(
            device: device, secret: token.secret,
            certificateRequest: PEMText.encode(
                try CertificateRequest.make(key: key, commonName: device.text), label: "CERTIFICATE REQUEST"),
            labels: labels, journal: store.journal.identity)
        let answer = try await ask(request, token, authorityPEM)
        let facts = try CertificateCheck.facts(
            of: answer, device: device, key: key, authorities: [token.caFingerprint])
        let identity = DeviceIdentity(
            device: device, registry: origin.text, rootDigest: token.rootDigest,
            caFingerprint: token.caFingerprint, certificate: answer.certificate,
            authorities: trusted.trust.certificateAuthorities, notBefore: facts.notBefore, notAfter: facts.notAfter,
            labels: labels, key: keyName)
        if former?.rootDigest != token.rootDigest { try Self.forgetMetadata(store) }
        try store.identity.save(identity, root: trusted.root)
        let waits = "Device \(device) waits for an operator's approval."
        try await RegistryRefusal.keep(answer.waitsForApproval == true ? waits : nil, in: store.journal)
        return identity
    }

    /// Whether the registry said that an operator must approve this device first.
    func waitsForApproval() async throws -> Bool { try await RegistryRefusal.kept(in: store.journal) != nil }

    /// Metadata of another owner would stand in the way of this one's, and is worth nothing any more.
    static func forgetMetadata(_ store: AgentStore) throws {
        let folder = store.layout.metadata
        for name in try store.files.names(in: folder) { try store.files.removeTree(folder + "/" + name) }
        try store.files.synchronizeFolder(folder)
    }

    private func bootstrap(_ token: JoinToken) async throws -> TrustBootstrap {
        do {
            return try await peer.bootstrap(token, now: clock())
        } catch let error as ClientError where error.reason == .digestMismatch {
            throw AgentError(
                .rootMismatch,
                "The first root of \(token.registry) is not the one that the join token names (\(token.rootDigest)).",
                remedy: "Check the address; make a new join token if the registry was set up anew.", fault: .peer)
        } catch let error as ClientError where error.reason == .certificateUntrusted {
            throw Self.authorityMismatch(token)
        }
    }

    private func ask(
        _ request: EnrolRequest, _ token: JoinToken, _ authorityPEM: [UInt8]
    ) async throws -> EnrolAnswer {
        do {
            return try await peer.enrol(request, at: token.registry, authorityPEM: authorityPEM)
        } catch let error as ClientError where error.code == "joinTokenRefused" {
            throw EnrolmentRefusal(
                code: error.code, message: error.message,
                remedy: "Make a new one with `martlet token join`.")
        }
    }

    /// The one authority that the token names, so that its secret goes to no other.
    private static func authority(of token: JoinToken, in trusted: TrustBootstrap) throws -> [UInt8] {
        for authority in trusted.trust.certificateAuthorities {
            let bytes = Array(authority.utf8)
            if try CertificateFacts(bytes).sha256Fingerprint == token.caFingerprint { return bytes }
        }
        throw authorityMismatch(token)
    }

    private static func authorityMismatch(_ token: JoinToken) -> AgentError {
        AgentError(
            .authorityMismatch,
            "No authority of \(token.registry) has the fingerprint that the join token names (\(token.caFingerprint)).",
            remedy: "Check that nothing stands between here and the registry; make a new join token.", fault: .peer)
    }

    static func alreadyEnrolled(_ identity: DeviceIdentity, _ root: String) -> AgentError {
        let registry = identity.isAirGapped ? "no registry" : identity.registry
        return AgentError(
            .alreadyEnrolled, "\(root) is the device \(identity.device) of \(registry) already.",
            remedy: "Run the agent, or give --force to replace this identity.")
    }
}

/// A refusal of the registry, with a remedy that fits the device's side.
struct EnrolmentRefusal: MartletError {
    let code: String
    let message: String
    let remedy: String
    var fault: ErrorFault { .caller }
}
