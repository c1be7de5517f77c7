import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

extension DeviceService {
    /// What an enrolment did.
    private struct Enrolled: Sendable {
        let answer: EnrolAnswer
        /// Whether another box had the name until now.
        var replaced = false
        /// Whether the answer was given before and the token not used again.
        var isRepeated = false
    }

    /// Takes a device in by a join token: one use of the token, the device's row and its certificate, or none of them.
    /// Who asks again with the same token and key gets the same answer, and no further use is spent.
    ///
    /// Throws 403 `joinTokenRefused`, 409 `deviceNameTaken`, 422 for a bad certificate request.
    func enrol(_ request: EnrolRequest) async throws -> EnrolAnswer {
        let core = core
        let csr = try CertificateRequest(parsing: Array(request.certificateRequest.utf8))
        let key = Digest.of(csr.publicKeyDER)
        let enrolled = try await core.database.write { sql -> Enrolled in
            guard try RoleStore(sql).currentVersion(of: TopLevelRole.root.rawValue) != nil else {
                throw ServerError.noRoot
            }
            let token = try JoinTokenStore(sql).find(secret: request.secret, now: core.clock())
            if let earlier = try EnrolmentStore(sql).find(token: token.id, key: key) {
                return Enrolled(answer: try Self.again(earlier, request, sql, core), isRepeated: true)
            }
            return try Self.enrol(request, key, sql, core)
        }
        core.logger.info(
            enrolled.isRepeated ? "enrolment answered again" : "device enrolled",
            metadata: [
                "device": "\(request.device)", "waits": "\(enrolled.answer.waitsForApproval ?? false)",
                "replaced": "\(enrolled.replaced)",
            ])
        core.presence.saw(request.device)
        if enrolled.replaced { core.connections.cut(request.device) }
        core.changes.announce(.device, CollectionOfOne(request.device.text))
        return enrolled.answer
    }

    private static func enrol(
        _ request: EnrolRequest, _ key: Digest, _ sql: any SQLConnection, _ core: RegistryCore
    ) throws -> Enrolled {
        let now = core.clock()
        let token = try JoinTokenStore(sql).consume(secret: request.secret, now: now)
        guard token.device == nil || token.device == request.device else {
            throw ServerError(
                403, "joinTokenRefused", "The join token is for another device's name.",
                remedy: "Enrol with the name that it was made for.", field: "/device")
        }
        let former = token.device == nil ? nil : try DeviceStore(sql).find(request.device)
        let own = try Labels(request.labels.values.merging(former?.labels.values ?? [:]) { $1 })
        let labels = try Labels(own.values.merging(token.labels.values) { $1 })
        let (pem, facts) = try issue(request.certificateRequest, request.device, core, now)
        do {
            try DeviceStore(sql).enrol(
                request.device, labels: labels, certificate: DeviceCertificate(facts), journal: request.journal,
                state: token.needsApproval ? .pending : .active, replaces: token.device != nil, now: now)
        } catch let error as StoreError where error.kind == .alreadyExists {
            throw nameTaken(request.device)
        }
        let row = EnrolmentRow(
            device: request.device, journal: request.journal, fingerprint: facts.sha256Fingerprint,
            certificate: String(decoding: pem, as: UTF8.self))
        try EnrolmentStore(sql).put(row, token: token.id, key: key)
        let state = try DeviceStore(sql).find(request.device)?.state
        try AuditLog(sql).append(
            actor: "device:\(request.device)", action: former == nil ? "device.enrol" : "device.replace",
            subject: request.device.text,
            detail: .object([
                "token": .string(token.id), "certificate": .string(facts.sha256Fingerprint),
                "state": .string(state?.rawValue ?? ""),
            ]), now: now)
        try ChangeLog(sql).append(topic: .device, [request.device.text])
        return Enrolled(
            answer: answer(request.device, pem, facts, core, waits: state == .pending), replaced: former != nil)
    }

    /// The answer that got lost, while its certificate is still good.
    private static func again(
        _ earlier: EnrolmentRow, _ request: EnrolRequest, _ sql: any SQLConnection, _ core: RegistryCore
    ) throws -> EnrolAnswer {
        guard earlier.device == request.device, earlier.journal == request.journal,
            let (device, certificate) = try DeviceStore(sql).find(fingerprint: earlier.fingerprint),
            certificate.revoked == nil, device.state == .active || device.state == .pending
        else {
            throw ServerError(
                403, "joinTokenRefused", "This key has enrolled by this join token before, as something else.",
                remedy: "Make a new join token, and enrol with --force.")
        }
        let pem = Array(earlier.certificate.utf8)
        return answer(device.device, pem, try CertificateFacts(pem), core, waits: device.state == .pending)
    }

    private static func nameTaken(_ device: DeviceID) -> ServerError {
        ServerError.conflict(
            "deviceNameTaken", "The name \(device) belongs to another box.",
            remedy: "Choose another name; a box that takes its place needs the token of `martlet devices replace`.",
            field: "/device")
    }

    /// A nonce for a renewal.
    func nonce() async throws -> RenewalNonce {
        let core = core
        let nonce = Hex.encode(try RandomBytes.make(32))
        try await core.database.write { sql in
            let now = core.clock()
            try NonceStore(sql).issue(nonce, expires: now + ServerLimits.nonceLife, now: now)
        }
        return RenewalNonce(nonce: nonce)
    }

    /// Gives a known, unrevoked device its next certificate, also a while after the former one has ended.
    func renew(_ request: RenewRequest) async throws -> EnrolAnswer {
        let core = core
        let former = Array(request.certificate.utf8)
        let formerFacts = try CertificateFacts(former)
        let refused = ServerError(
            403, "renewalRefused", "The registry does not renew this certificate.",
            remedy: "Enrol the device again with a new join token.")
        guard let nonce = Hex.decode(request.nonce), let signature = Hex.decode(request.signature),
            try PublicKey(subjectPublicKeyInfo: formerFacts.publicKeyDER).verify(signature: signature, of: nonce)
        else { throw refused }
        let answer: EnrolAnswer? = try await core.database.write { sql in
            let now = core.clock()
            guard try NonceStore(sql).consume(request.nonce, now: now) else {
                throw ServerError(
                    403, "nonceRefused", "The nonce is unknown, used up or older than a minute.",
                    remedy: "Ask for a new one and sign it.", field: "/nonce")
            }
            // Known by its hash, so it is one that this registry gave out, by whichever authority it had then.
            guard let (device, certificate) = try DeviceStore(sql).find(fingerprint: formerFacts.sha256Fingerprint),
                certificate.revoked == nil, device.state == .active, device.device.text == formerFacts.commonName,
                now - certificate.expires < ServerLimits.renewalGrace
            else { throw refused }
            // The device is held from here on, which must be kept: so no throw.
            guard try DeviceStore(sql).noteJournal(device.device, request.journal, now: now) else { return nil }
            let (pem, facts) = try Self.issue(request.certificateRequest, device.device, core, now)
            try DeviceStore(sql).renew(device.device, certificate: DeviceCertificate(facts))
            try AuditLog(sql).append(
                actor: "device:\(device.device)", action: "device.renew", subject: device.device.text,
                detail: .object(["certificate": .string(facts.sha256Fingerprint)]), now: now)
            return Self.answer(device.device, pem, facts, core, waits: false)
        }
        guard let answer else { throw foundClone(formerFacts.commonName) }
        core.presence.saw(answer.device)
        return answer
    }

    private static func issue(
        _ request: String, _ device: DeviceID, _ core: RegistryCore, _ now: Timestamp
    ) throws -> ([UInt8], CertificateFacts) {
        let pem = try core.keyring.authority.issueDevice(
            csr: Array(request.utf8), device: device, now: now, valid: core.deviceCertificateLife,
            serial: try RandomBytes.make(16))
        return (pem, try CertificateFacts(pem))
    }

    private static func answer(
        _ device: DeviceID, _ pem: [UInt8], _ facts: CertificateFacts, _ core: RegistryCore, waits: Bool
    ) -> EnrolAnswer {
        EnrolAnswer(
            device: device, certificate: String(decoding: pem, as: UTF8.self),
            authority: String(decoding: core.keyring.authority.certificatePEM, as: UTF8.self), notAfter: facts.notAfter,
            waitsForApproval: waits)
    }

    /// Two boxes use the certificate of a device, which is held from now on: cuts both off.
    func foundClone(_ name: String) -> ServerError {
        if let device = try? DeviceID(name) {
            core.connections.cut(device)
            core.changes.announce(.assignment, CollectionOfOne(device.text))
            core.changes.announce(.device, CollectionOfOne(device.text))
        }
        core.logger.warning("a certificate is used by two journals", metadata: ["device": "\(name)"])
        return Self.held(name)
    }

    static func held(_ device: String) -> ServerError {
        ServerError(
            403, "heldDevice", "Device \(device) is held: its certificate is used by two boxes.",
            remedy: "An operator must run `martlet devices replace \(device)` and enrol the right box again.")
    }
}

extension DeviceCertificate {
    init(_ facts: CertificateFacts) {
        self.init(fingerprint: facts.sha256Fingerprint, issued: facts.notBefore, expires: facts.notAfter)
    }
}
