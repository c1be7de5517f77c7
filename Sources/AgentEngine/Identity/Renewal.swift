package import AgentStore
package import Logging
internal import MartletAPI
package import MartletTypes
internal import RegistryClient
internal import ServiceLifecycle
internal import Trust

/// Renews the device's certificate while the agent runs.
package struct Renewal: Service {
    private let store: IdentityStore
    private let journal: JournalID
    private let peer: any RenewalPeer
    private let clock: Clock
    private let random: @Sendable () -> Double
    private let onRenewal: @Sendable (DeviceIdentity) async -> Void
    private let logger: Logger

    /// `onRenewal` is told of each new identity once it is on the disk: clients that hold the former one are made anew.
    package init(
        store: IdentityStore, journal: JournalID, peer: (any RenewalPeer)? = nil, clock: @escaping Clock,
        random: @escaping @Sendable () -> Double = { .random(in: 0...1) }, logger: Logger,
        onRenewal: @escaping @Sendable (DeviceIdentity) async -> Void
    ) {
        self.store = store
        self.journal = journal
        self.peer = peer ?? NetworkRenewalPeer(store: store)
        self.clock = clock
        self.random = random
        self.logger = logger
        self.onRenewal = onRenewal
    }

    package func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await renewAgainAndAgain() }
        } catch is CancellationError {
            return
        }
    }

    private func renewAgainAndAgain() async throws {
        var schedule = RenewalSchedule(place: random())
        while !Task.isCancelled {
            guard let identity = try store.load() else { throw AgentError.notEnrolled }
            if let pause = schedule.pause(identity, now: clock()) {
                try await Task.sleep(for: pause)
                continue
            }
            do {
                let renewed = try await renew()
                schedule.succeeded()
                logger.notice("certificate renewed", metadata: ["until": "\(renewed.notAfter)"])
            } catch {
                try Task.checkCancellation()
                let asked = (error as? ClientError)?.retryAfterSeconds.map { Duration.seconds($0) }
                let pause = schedule.pauseAfterFailure(random: random(), asked: asked)
                let summary = ErrorSummary(error)
                logger.error(
                    "certificate not renewed",
                    metadata: [
                        "code": "\(summary.code)", "error": "\(summary.message)",
                        "until": "\(identity.notAfter)", "again": "\(Pause.text(pause))",
                    ])
                try await Task.sleep(for: pause)
            }
        }
    }

    /// Asks once, with a fresh key, and makes the answer the device's identity. The former certificate stays good, so a
    /// crash at any place leaves an identity that can ask again.
    @discardableResult
    package func renew() async throws -> DeviceIdentity {
        guard var identity = try store.load() else { throw AgentError.notEnrolled }
        let formerKey = try KeyPair(pem: try store.key(of: identity))
        let nonce = try await peer.nonce()
        guard let bytes = Hex.decode(nonce.nonce), (16...64).contains(bytes.count) else {
            throw AgentError(
                .badAnswer, "The registry's nonce is not 16 to 64 bytes in hexadecimal.",
                remedy: "Check the registry's version.", fault: .peer)
        }
        let key = try KeyPair.generate(.ed25519)
        let keyName = try store.keep(key: try key.pem())
        let request = RenewRequest(
            certificate: identity.certificate, nonce: nonce.nonce,
            signature: Hex.encode(try formerKey.sign(bytes)),
            certificateRequest: PEMText.encode(
                try CertificateRequest.make(key: key, commonName: identity.device.text),
                label: "CERTIFICATE REQUEST"),
            journal: journal)
        let answer = try await peer.renew(request)
        let known = try identity.authorities.map { try CertificateFacts(Array($0.utf8)).sha256Fingerprint }
        let facts = try CertificateCheck.facts(
            of: answer, device: identity.device, key: key,
            authorities: Set(known).union([identity.caFingerprint]))
        identity.certificate = answer.certificate
        identity.notBefore = facts.notBefore
        identity.notAfter = facts.notAfter
        identity.key = keyName
        try store.save(identity)
        await onRenewal(identity)
        return identity
    }
}
