import AgentEngine
import AgentStore
import Foundation
import MartletAPI
import MartletTypes
import Synchronization
import TestSupport
import Trust

@testable import RegistryClient

/// A registry's authority, and what it answers to devices that enrol and renew.
final class FakeAuthority: EnrolmentPeer, RenewalPeer {
    static let now = Timestamp(seconds: 1_800_000_000)

    /// What it does instead of the right thing.
    struct Behaviour: Sendable {
        var bootstrapError: (any Error)?
        /// Throws before the registry did anything.
        var refusal: (any Error)?
        /// Throws after the registry issued the certificate: the answer is lost.
        var loss: (any Error)?
        var alter: @Sendable (inout EnrolAnswer) -> Void = { _ in }
        var certifiedKey: KeyPair?
        var certifiedName: String?
        var nonce = String(repeating: "ab", count: 32)
    }

    struct Seen: Sendable {
        var enrolments: [EnrolRequest] = []
        var renewals: [RenewRequest] = []
        var authorities: [[UInt8]] = []
    }

    let authority: CertificateAuthority
    let root: [UInt8]
    let behaviour = Mutex(Behaviour())
    let seen = Mutex(Seen())
    let life: Duration

    init(root: String = "root", life: Duration = .seconds(90 * 86_400)) throws {
        authority = try CertificateAuthority.make(
            name: "test authority", key: try KeyPair.generate(.ecdsaP256), now: Self.now,
            valid: .seconds(10_000 * 86_400))
        self.root = Array(root.utf8)
        self.life = life
    }

    var certificate: String { String(decoding: authority.certificatePEM, as: UTF8.self) }

    func token(fingerprint: String? = nil, registry: String = "https://registry.example:8443") -> JoinToken {
        JoinToken(
            registry: registry, rootDigest: .of(root),
            caFingerprint: fingerprint ?? authority.facts.sha256Fingerprint, secret: "open sesame")
    }

    func bootstrap(_ token: JoinToken, now: Timestamp) async throws -> TrustBootstrap {
        if let error = behaviour.withLock({ $0.bootstrapError }) { throw error }
        return TrustBootstrap(
            root: root,
            trust: TrustDocument(
                directorKeys: [:], certificateAuthorities: [certificate], addresses: [token.registry]))
    }

    func enrol(_ request: EnrolRequest, at registry: String, authorityPEM: [UInt8]) async throws -> EnrolAnswer {
        seen.withLock {
            $0.enrolments.append(request)
            $0.authorities.append(authorityPEM)
        }
        return try answer(request.certificateRequest, request.device)
    }

    func nonce() async throws -> RenewalNonce { RenewalNonce(nonce: behaviour.withLock { $0.nonce }) }

    func renew(_ request: RenewRequest) async throws -> EnrolAnswer {
        seen.withLock { $0.renewals.append(request) }
        let device = try DeviceID(try CertificateFacts(Array(request.certificate.utf8)).commonName)
        return try answer(request.certificateRequest, device)
    }

    private func answer(_ csr: String, _ device: DeviceID) throws -> EnrolAnswer {
        let behaviour = behaviour.withLock { $0 }
        if let refusal = behaviour.refusal { throw refusal }
        let name = behaviour.certifiedName ?? device.text
        let request =
            try behaviour.certifiedKey.map { try CertificateRequest.make(key: $0, commonName: name) } ?? Array(csr.utf8)
        let pem = try authority.issueDevice(
            csr: request, device: try DeviceID(name), now: Self.now, valid: life,
            serial: (0..<16).map { _ in .random(in: 1...127) })
        if let loss = behaviour.loss { throw loss }
        var answer = EnrolAnswer(
            device: device, certificate: String(decoding: pem, as: UTF8.self), authority: certificate,
            notAfter: try CertificateFacts(pem).notAfter)
        behaviour.alter(&answer)
        return answer
    }
}

/// A data folder with a store that is open.
struct DeviceFolder {
    let folder: TemporaryFolder
    let store: AgentStore

    init() async throws {
        folder = try TemporaryFolder()
        store = try await AgentStore.open(root: folder.path)
    }

    /// Files of the identity folder.
    var identityFiles: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.file("identity"))) ?? []).sorted()
    }

    func enrolment(_ authority: FakeAuthority) -> Enrolment {
        Enrolment(store: store, peer: authority, clock: { FakeAuthority.now })
    }
}

/// The code of what `body` throws; nil where it throws nothing.
func thrownCode(_ body: () async throws -> Void) async -> String? {
    do {
        try await body()
        return nil
    } catch let error as any MartletError {
        return error.code
    } catch {
        return "\(error)"
    }
}
