import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine
import TUF
import Trust

/// What devices may do: enrol, renew, say what they are and what happened, and learn what they shall run.
struct DeviceService: Sendable {
    let core: RegistryCore
    let metadata: MetadataService
    let rollouts: RolloutService

    /// Takes a device in by a join token: one use of the token, the device's row and its certificate, or none of them.
    ///
    /// Throws 403 `joinTokenRefused`, 409 `deviceNameTaken`, 422 for a bad certificate request.
    func enrol(_ request: EnrolRequest) async throws -> EnrolAnswer {
        let core = core
        let answer = try await core.database.write { sql in
            let now = core.clock()
            guard try RoleStore(sql).currentVersion(of: TopLevelRole.root.rawValue) != nil else {
                throw ServerError.noRoot
            }
            let token = try JoinTokenStore(sql).consume(secret: request.secret, now: now)
            let labels = try Labels(request.labels.values.merging(token.labels.values) { $1 })
            let (pem, facts) = try Self.issue(request.certificateRequest, request.device, core, now)
            do {
                try DeviceStore(sql).enrol(
                    request.device, labels: labels, certificate: DeviceCertificate(facts), journal: request.journal,
                    now: now)
            } catch let error as StoreError where error.kind == .alreadyExists {
                throw ServerError.conflict(
                    "deviceNameTaken", "The name \(request.device) belongs to another box.",
                    remedy:
                        "Choose another name, or let an operator run `martlet devices remove \(request.device)` first.",
                    field: "/device")
            }
            try AuditLog(sql).append(
                actor: "device:\(request.device)", action: "device.enrol", subject: request.device.text,
                detail: .object(["token": .string(token.id), "certificate": .string(facts.sha256Fingerprint)]), now: now
            )
            try ChangeLog(sql).append(topic: .device, [request.device.text])
            return Self.answer(request.device, pem, facts, core)
        }
        core.presence.saw(request.device)
        core.changes.announce(.device, CollectionOfOne(request.device.text))
        core.logger.info("device enrolled", metadata: ["device": "\(request.device)"])
        return answer
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
        guard try core.keyring.authority.didIssue(former) else { throw refused }
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
            return Self.answer(device.device, pem, facts, core)
        }
        guard let answer else { throw Self.held(formerFacts.commonName) }
        core.presence.saw(answer.device)
        return answer
    }

    private static func issue(
        _ request: String, _ device: DeviceID, _ core: RegistryCore, _ now: Timestamp
    ) throws -> ([UInt8], CertificateFacts) {
        let pem = try core.keyring.authority.issueDevice(
            csr: Array(request.utf8), device: device, now: now, valid: ServerLimits.deviceCertificateLife,
            serial: try RandomBytes.make(16))
        return (pem, try CertificateFacts(pem))
    }

    private static func answer(
        _ device: DeviceID, _ pem: [UInt8], _ facts: CertificateFacts, _ core: RegistryCore
    ) -> EnrolAnswer {
        EnrolAnswer(
            device: device, certificate: String(decoding: pem, as: UTF8.self),
            authority: String(decoding: core.keyring.authority.certificatePEM, as: UTF8.self), notAfter: facts.notAfter)
    }

    static func held(_ device: String) -> ServerError {
        ServerError(
            403, "heldDevice", "Device \(device) is held: its certificate is used by two boxes.",
            remedy: "An operator must delete it and enrol the right box again.")
    }

    /// Keeps what a device is and what its slots run.
    func keep(_ inventory: Inventory, of device: DeviceID) async throws {
        let core = core
        guard inventory.slots.count <= Limits.slotsPerDevice else {
            throw ServerError.badRequest("A device has at most \(Limits.slotsPerDevice) slots.", field: "/slots")
        }
        let row = InventoryRow(
            profile: inventory.profile, agentVersion: inventory.agentVersion,
            document: try JSONValue(parsing: try JSONText.encode(inventory)),
            slots: inventory.slots.mapValues {
                ReportedSlot(
                    current: $0.current, previous: $0.previous, generation: $0.generation, serving: $0.serving,
                    weights: $0.weights, variant: $0.variant, override: $0.override)
            })
        try await core.database.write { sql in
            try DeviceStore(sql).setInventory(device, row, now: core.clock())
            try ChangeLog(sql).append(topic: .device, [device.text])
        }
        core.changes.announce(.device, CollectionOfOne(device.text))
    }

    /// Keeps reports, each once, and lets open rollouts react to them in the same transaction.
    func keep(_ batch: ReportBatch, of device: DeviceID) async throws -> ReportReceipt {
        guard batch.reports.count <= ServerLimits.reportsPerBatch else {
            throw ServerError.badRequest(
                "A batch has at most \(ServerLimits.reportsPerBatch) reports.", field: "/reports")
        }
        let rows = try batch.reports.enumerated().map { index, report in
            guard report.sequence > 0 else {
                throw ServerError.badRequest("A sequence number is at least 1.", field: "/reports/\(index)/sequence")
            }
            return try ReportRow(report)
        }
        let highest: Int64? = try await rollouts.drive { driver in
            guard try DeviceStore(driver.sql).noteJournal(device, batch.journal, now: driver.now) else { return nil }
            let (fresh, highest) = try ReportStore(driver.sql).accept(device, batch.journal, rows, now: driver.now)
            for report in fresh {
                guard let slot = report.slot, let state = report.state, let generation = report.generation else {
                    continue
                }
                for id in try RolloutStore(driver.sql).open(slot: slot, device: device) {
                    try driver.tell(
                        .reported(
                            RolloutEvent.DeviceReport(
                                device: device, generation: generation, state: state, code: report.code,
                                message: report.message, evaluation: report.evaluation)), id)
                }
            }
            if !fresh.isEmpty { try ChangeLog(driver.sql).append(topic: .device, [device.text]) }
            return highest
        }
        guard let highest else { throw Self.held(device.text) }
        core.changes.announce(.device, CollectionOfOne(device.text))
        return ReportReceipt(highest: highest)
    }
}

extension DeviceCertificate {
    init(_ facts: CertificateFacts) {
        self.init(fingerprint: facts.sha256Fingerprint, issued: facts.notBefore, expires: facts.notAfter)
    }
}

extension ReportRow {
    init(_ report: DeviceReport) throws {
        self.init(
            sequence: report.sequence, time: report.time, slot: report.slot, generation: report.generation,
            rollout: report.rollout, releases: report.releases, state: report.state, code: report.code,
            message: report.message,
            figures: try report.figures.map { try JSONValue(parsing: try JSONText.encode($0)) },
            evaluation: report.figures?.evaluation)
    }
}
