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
    private let keys: DeviceKeys
    private let journal: JournalID
    private let peer: any RenewalPeer
    private let clock: Clock
    private let random: @Sendable () -> Double
    private let onRenewal: @Sendable (DeviceIdentity) async -> Void
    private let logger: Logger
    /// Rung when the authorities may have changed.
    private let wake: WakeSignal

    /// `onRenewal` is told of each new identity once it is on the disk: clients that hold the former one are made anew.
    package init(
        store: IdentityStore, keys: DeviceKeys? = nil, journal: JournalID, peer: (any RenewalPeer)? = nil,
        clock: @escaping Clock,
        random: @escaping @Sendable () -> Double = { .random(in: 0...1) }, logger: Logger,
        wake: WakeSignal = WakeSignal(),
        onRenewal: @escaping @Sendable (DeviceIdentity) async -> Void
    ) {
        self.store = store
        self.keys = keys ?? DeviceKeys(store: store)
        self.journal = journal
        self.peer = peer ?? NetworkRenewalPeer(store: store)
        self.clock = clock
        self.random = random
        self.logger = logger
        self.wake = wake
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
        // The end of the certificate that was read last, for who reads of a failure.
        var end: Timestamp?
        while !Task.isCancelled {
            do {
                // A disk that does not give it back for a moment must end nothing that serves.
                guard let identity = try store.load() else { throw AgentError.notEnrolled }
                end = identity.notAfter
                if !isOrphaned(identity), let pause = schedule.pause(identity, now: clock()) {
                    await wake.wait(for: pause)
                    continue
                }
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
                        "until": "\(end.map { "\($0)" } ?? "unknown")", "again": "\(Pause.text(pause))",
                    ])
                try await Task.sleep(for: pause)
            }
        }
    }

    /// Whether the owner no longer names the authority that signed this certificate: it is renewed at once, since the
    /// registry may stop to take it.
    private func isOrphaned(_ identity: DeviceIdentity) -> Bool {
        do {
            let authorities = identity.authorities.map { Array($0.utf8) }
            return try !CertificateFacts.isIssued(Array(identity.certificate.utf8), byOneOf: authorities)
        } catch {
            return false
        }
    }

    /// Asks once, with the next key, and makes the answer the device's identity. The former certificate stays good, so
    /// a crash at any place leaves an identity that can ask again.
    @discardableResult
    package func renew() async throws -> DeviceIdentity {
        guard var identity = try store.load() else { throw AgentError.notEnrolled }
        let formerKey = try keys.current(identity)
        let nonce = try await peer.nonce()
        guard let bytes = Hex.decode(nonce.nonce), (16...64).contains(bytes.count) else {
            throw AgentError(
                .badAnswer, "The registry's nonce is not 16 to 64 bytes in hexadecimal.",
                remedy: "Check the registry's version.", fault: .peer)
        }
        let (keyName, key) = try keys.next()
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
