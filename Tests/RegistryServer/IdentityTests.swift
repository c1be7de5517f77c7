import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import RegistryServer
import TestSupport
import Testing
import Trust

/// Who becomes a device, who stays one, and how that ends.
@Suite struct IdentityTests {
    private func ready(_ adjusting: (inout RegistryConfiguration) -> Void = { _ in }) async throws -> RegistryFixture {
        let registry = try await RegistryFixture.start(adjusting: adjusting)
        try await registry.initializeTrust()
        return registry
    }

    private func joinToken(_ registry: RegistryFixture, _ request: JoinTokenRequest) async throws -> JoinToken {
        try JoinToken(parsing: try #require(try await registry.admin.createJoinToken(request).token))
    }

    private func anonymous(_ registry: RegistryFixture) async throws -> DeviceClient {
        let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
        return DeviceClient(
            http: try HTTPClient(origin: registry.deviceOrigin, configuration: .init(authorityPEM: authority)))
    }

    private func decide(
        _ registry: RegistryFixture, _ route: Route, _ device: String, _ reason: String = ""
    ) async throws -> DeviceInfo {
        try await registry.admin.api.send(
            route, ["device": device], body: DeviceDecision(reason: reason), as: DeviceInfo.self)
    }

    private func parkedDevices(_ registry: RegistryFixture) async throws -> Int? {
        let text = String(decoding: try await registry.call(.get, "/metrics").body, as: UTF8.self)
        return text.firstMatch(of: /martlet_registry_polls_parked ([0-9]+)/).flatMap { Int($0.1) }
    }

    @Test("An answer to enrol that was lost is given again: one use, one certificate")
    func lostAnswer() async throws {
        let registry = try await ready()
        let token = try await joinToken(registry, JoinTokenRequest(uses: 1))
        let client = try await anonymous(registry)
        let key = try KeyPair.generate(.ed25519)
        func request(_ key: KeyPair, _ name: String, _ journal: JournalID) throws -> EnrolRequest {
            EnrolRequest(
                device: try DeviceID(name), secret: token.secret,
                certificateRequest: SimulatedDevice.pem(try CertificateRequest.make(key: key, commonName: name)),
                labels: .none, journal: journal)
        }
        let journal = try SimulatedDevice.newJournal()
        let first = try await client.enrol(try request(key, "box-1", journal))
        let second = try await client.enrol(try request(key, "box-1", journal))
        #expect(first.certificate == second.certificate && first.notAfter == second.notAfter)
        let rows = try await registry.admin.audit().filter { $0.action == "device.enrol" }
        #expect(rows.count == 1)
        // The token is used up for every other key, name and journal.
        await expectProblem(403, "joinTokenRefused") {
            _ = try await client.enrol(try request(try KeyPair.generate(.ed25519), "box-2", journal))
        }
        await expectProblem(403, "joinTokenRefused") { _ = try await client.enrol(try request(key, "box-2", journal)) }
        await expectProblem(403, "joinTokenRefused") {
            _ = try await client.enrol(try request(key, "box-1", try SimulatedDevice.newJournal()))
        }
        // And for this key too once its certificate is refused.
        _ = try await decide(registry, OperatorRoutes.revokeDevice, "box-1")
        await expectProblem(403, "joinTokenRefused") { _ = try await client.enrol(try request(key, "box-1", journal)) }
        try await registry.stop()
    }

    @Test("A device that must be approved gets nothing before, and goes on by itself after")
    func approval() async throws {
        let registry = try await ready { $0.requiresApproval = true }
        let release = try await registry.publish("clinic/triage/1.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        for attempt in [
            { _ = try await device.poll() },
            { try await device.put(current: [], previous: [], slot: try SlotName("triage"), generation: 0) },
        ] as [() async throws -> Void] {
            await expectProblem(403, "pendingDevice", attempt)
        }
        let blob = try await device.client.api.http.perform(
            HTTPCall(.get, "/v2/\(release.path.repository)/blobs/\(release.weights)"), limit: 1 << 16)
        #expect(blob.status == 403)
        let info = try await registry.admin.device(device.name)
        #expect(info.standing == .pending && info.held?.contains("approval") == true)
        await expectProblem(422, "noDevices") {
            _ = try await registry.admin.startRollout(
                RolloutRequest(
                    selector: try LabelSelector(""), slot: try SlotName("triage"), releases: [release.path]))
        }
        let pending = try await registry.admin.api.list(
            OperatorRoutes.devices, query: ["state": "pending"], of: DeviceInfo.self)
        #expect(pending.map(\.device) == [device.name])
        let login = try await RawHTTP.post(registry.operatorOrigin, "/login", "token=\(registry.adminToken)")
        var cookie: HTTPFields = [:]
        cookie[.cookie] = String(try #require(login.firstMatch(of: /martlet_session=[0-9a-f]+/)).output)
        for page in ["/", "/devices", "/devices/box-1"] {
            let reply = try await registry.client(token: nil).perform(
                HTTPCall(.get, page, fields: cookie), limit: 1 << 22)
            #expect(String(decoding: reply.body, as: UTF8.self).contains("waits for approval"), "\(page)")
        }
        #expect(try await decide(registry, OperatorRoutes.approveDevice, "box-1").standing == .active)
        #expect(try await device.poll() == nil)
        await expectProblem(409, "deviceState") {
            _ = try await decide(registry, OperatorRoutes.approveDevice, "box-1")
        }
        // A token may say otherwise, both ways.
        let trusted = try await joinToken(registry, JoinTokenRequest(needsApproval: false))
        let second = try await SimulatedDevice("box-2", at: registry, token: trusted)
        #expect(try await second.poll() == nil)
        #expect(try await registry.admin.audit().contains { $0.action == "device.approve" && $0.subject == "box-1" })
        try await registry.stop()
    }

    @Test("A device that was rejected is refused, also if it asks again, and its name is not taken over")
    func rejection() async throws {
        let registry = try await ready()
        let token = try await joinToken(registry, JoinTokenRequest(uses: 3, needsApproval: true))
        let device = try await SimulatedDevice("box-1", at: registry, token: token)
        let info = try await decide(registry, OperatorRoutes.rejectDevice, "box-1", "not ours")
        #expect(info.standing == .revoked && info.held == "rejected: not ours")
        await expectProblem(403, "revokedDevice") { _ = try await device.poll() }
        await expectProblem(409, "deviceNameTaken") {
            _ = try await SimulatedDevice("box-1", at: registry, journal: device.journal, token: token)
        }
        await expectProblem(409, "deviceNameTaken") {
            _ = try await SimulatedDevice(
                "box-1", at: registry, token: try await joinToken(registry, JoinTokenRequest()))
        }
        #expect(try await registry.admin.devices().isEmpty)
        try await registry.stop()
    }

    @Test("Asking again by a token without approval does not spare a waiting device the approval")
    func approvalStays() async throws {
        let registry = try await ready()
        let waiting = try await joinToken(registry, JoinTokenRequest(needsApproval: true))
        let device = try await SimulatedDevice("box-1", at: registry, token: waiting)
        let again = try await SimulatedDevice("box-1", at: registry, journal: device.journal)
        await expectProblem(403, "pendingDevice") { _ = try await again.poll() }
        try await registry.stop()
    }

    @Test("A revocation holds from the next request on, and cuts the parked poll and every open connection")
    func revocation() async throws {
        let registry = try await ready()
        let release = try await registry.publish("clinic/triage/1.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        let other = try await SimulatedDevice("box-2", at: registry)
        let keepAlive = try RawTLS(
            to: registry.deviceOrigin, certificate: device.certificate, key: try device.key.pem(),
            folder: registry.folder)
        let first = try await keepAlive.request("GET /device/v1/assignment?number=0&journal=\(device.journal) HTTP/1.1")
        #expect(first.hasPrefix("HTTP/1.1 204"))
        let waiting = try RawTLS(
            to: registry.deviceOrigin, certificate: device.certificate, key: try device.key.pem(),
            folder: registry.folder)
        waiting.send(
            "GET /device/v1/assignment?number=0&wait=50&journal=\(device.journal) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try await eventually(within: 30, "it is parked") { try await parkedDevices(registry) == 1 }
        async let parked: Void = expectProblem(403, "revokedDevice") { _ = try await device.poll(wait: .seconds(50)) }
        async let unharmed = other.poll(wait: .seconds(50))
        try await eventually(within: 30, "both are parked") { try await parkedDevices(registry) == 2 }
        #expect(try await decide(registry, OperatorRoutes.revokeDevice, "box-1", "stolen").standing == .revoked)
        await parked
        try await eventually(within: 60, "every connection is closed") { keepAlive.isClosed && waiting.isClosed }
        // Not before its answer was out.
        #expect(waiting.received.hasPrefix("HTTP/1.1 403") && waiting.received.contains("revokedDevice"))
        await expectProblem(403, "revokedDevice") { _ = try await device.poll() }
        _ = try await registry.admin.startRollout(
            RolloutRequest(
                selector: try LabelSelector(""), slot: try SlotName("triage"), releases: [release.path]))
        #expect(try await unharmed != nil)
        // Renewal is over too, and the history stays.
        let client = try await anonymous(registry)
        let nonce = try await client.renewalNonce().nonce
        await expectProblem(403, "renewalRefused") {
            _ = try await client.renew(
                RenewRequest(
                    certificate: device.certificate, nonce: nonce,
                    signature: Hex.encode(try device.key.sign(try #require(Hex.decode(nonce)))),
                    certificateRequest: SimulatedDevice.pem(
                        try CertificateRequest.make(key: device.key, commonName: "box-1")), journal: device.journal))
        }
        let info = try await registry.admin.device(device.name)
        #expect(info.standing == .revoked && info.held == "stolen")
        #expect(try await registry.admin.devices().map(\.device) == [other.name])
        try await registry.stop()
    }

    @Test("Another box takes a device's place by a token made for that, with its labels, slots and history")
    func replacement() async throws {
        let registry = try await ready()
        let slot = try SlotName("triage")
        let release = try await registry.publish("clinic/triage/1.0.0")
        let former = try await SimulatedDevice("box-1", at: registry, labels: ["site": "berlin"])
        _ = try await registry.admin.startRollout(
            RolloutRequest(selector: try LabelSelector(""), slot: slot, releases: [release.path]))
        let number = try await former.obey(slot).number
        let token = try await joinToken(registry, JoinTokenRequest(device: former.name))
        await expectProblem(403, "joinTokenRefused") {
            _ = try await SimulatedDevice("box-9", at: registry, token: token)
        }
        _ = try await former.poll()
        let next = try await SimulatedDevice("box-1", at: registry, labels: ["site": "rome"], token: token)
        await expectProblem(403, "revokedDevice") { _ = try await former.poll() }
        let assignment = try #require(try await next.poll())
        #expect(assignment.number >= number && assignment.slots[slot]?.releases.first?.path == release.path)
        let info = try await registry.admin.device(next.name)
        #expect(info.labels.values == ["site": "berlin"])
        #expect(try await !registry.admin.history(of: next.name).isEmpty)
        #expect(try await registry.admin.audit().contains { $0.action == "device.replace" })
        await expectProblem(403, "joinTokenRefused") {
            _ = try await SimulatedDevice("box-1", at: registry, token: token)
        }
        await expectProblem(404, "unknownDevice") {
            _ = try await registry.admin.createJoinToken(JoinTokenRequest(device: try DeviceID("box-7")))
        }
        try await registry.stop()
    }

    @Test("A cloned card is held with both boxes cut off, and replaced by the right one")
    func clone() async throws {
        let registry = try await ready()
        let device = try await SimulatedDevice("box-1", at: registry)
        async let parked: Void = expectProblem(403, "heldDevice") { _ = try await device.poll(wait: .seconds(50)) }
        try await eventually(within: 30, "it is parked") { try await parkedDevices(registry) == 1 }
        let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
        let twin = try SimulatedDevice.client(registry, device.certificate, device.key, authority)
        await expectProblem(403, "heldDevice") {
            _ = try await twin.assignment(
                above: 0, wait: .zero, snapshot: 0, timestamp: 0, journal: try SimulatedDevice.newJournal())
        }
        await parked
        #expect(try await registry.admin.device(device.name).standing == .held)
        #expect(try await registry.admin.audit().contains { $0.action == "device.hold" && $0.subject == "box-1" })
        await expectProblem(409, "deviceNameTaken") {
            _ = try await SimulatedDevice("box-1", at: registry, journal: device.journal)
        }
        let token = try await joinToken(registry, JoinTokenRequest(device: device.name))
        let right = try await SimulatedDevice("box-1", at: registry, journal: device.journal, token: token)
        #expect(try await right.poll() == nil)
        await expectProblem(403, "revokedDevice") { _ = try await device.poll() }
        try await registry.stop()
    }

    @Test("A device's certificate lasts as long as the registry is told; what it cannot be is refused")
    func lives() async throws {
        let registry = try await ready { $0.deviceCertificateLife = .seconds(3600) }
        let device = try await SimulatedDevice("box-1", at: registry)
        let facts = try CertificateFacts(Array(device.certificate.utf8))
        #expect(facts.notAfter - registry.clock.now <= .seconds(3600))
        // Two thirds of the life lie ahead, so that it is not renewed at once and for ever.
        #expect(registry.clock.now - facts.notBefore < .seconds(600))
        try await registry.stop()
        await #expect(throws: ServerError(500, "badConfiguration", "", field: "device-certificate-life")) {
            _ = try await RegistryFixture.start { $0.deviceCertificateLife = .seconds(1) }
        }
    }
}
