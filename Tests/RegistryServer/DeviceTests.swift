import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import Telemetry
import TestSupport
import Testing
import Trust

@Suite struct DeviceTests {
    private func ready() async throws -> RegistryFixture {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        return registry
    }

    @Test("A join token enrols as often as it says, until it expires or is revoked")
    func joinTokens() async throws {
        let registry = try await ready()
        let info = try await registry.admin.createJoinToken(
            JoinTokenRequest(uses: 1, validSeconds: 60, labels: try Labels(["tier": "lab"])))
        let token = try JoinToken(parsing: try #require(info.token))
        #expect(token.registry == registry.deviceOrigin.text)
        _ = try await SimulatedDevice("box-1", at: registry, token: token)
        let device = try await registry.admin.device(try DeviceID("box-1"))
        #expect(device.labels.values == ["site": "berlin", "tier": "lab"])
        await expectProblem(403, "joinTokenRefused") {
            _ = try await SimulatedDevice("box-2", at: registry, token: token)
        }
        let late = try await registry.admin.createJoinToken(JoinTokenRequest(uses: 1, validSeconds: 60))
        registry.clock.advance(by: .seconds(61))
        await expectProblem(403, "joinTokenRefused") {
            _ = try await SimulatedDevice(
                "box-3", at: registry, token: try JoinToken(parsing: try #require(late.token)))
        }
        let revoked = try await registry.admin.createJoinToken(JoinTokenRequest())
        try await registry.admin.deleteJoinToken(revoked.id)
        await expectProblem(403, "joinTokenRefused") {
            _ = try await SimulatedDevice(
                "box-4", at: registry, token: try JoinToken(parsing: try #require(revoked.token)))
        }
        #expect(try await registry.admin.devices().count == 1)
        try await registry.stop()
    }

    @Test("A name belongs to one box; the same box may enrol again")
    func names() async throws {
        let registry = try await ready()
        let first = try await SimulatedDevice("box-1", at: registry)
        await expectProblem(409, "deviceNameTaken") { _ = try await SimulatedDevice("box-1", at: registry) }
        let again = try await SimulatedDevice("box-1", at: registry, journal: first.journal)
        #expect(try await again.poll() == nil)
        try await registry.stop()
    }

    @Test("A wrong certificate, none, one of a deleted device: each is told apart")
    func certificates() async throws {
        let registry = try await ready()
        let device = try await SimulatedDevice("box-1", at: registry)
        let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
        // None.
        let anonymous = DeviceClient(
            http: try HTTPClient(origin: registry.deviceOrigin, configuration: .init(authorityPEM: authority)))
        await expectProblem(401, "certificateNeeded") {
            _ = try await anonymous.assignment(
                above: 0, wait: .zero, snapshot: 0, timestamp: 0, journal: device.journal)
        }
        // Of another authority, with the right name: TLS refuses it.
        let foreignKey = try KeyPair.generate(.ecdsaP256)
        let foreign = try CertificateAuthority.make(
            name: "foreign", key: foreignKey, now: registry.clock.now, valid: .seconds(86_400))
        let forged = try foreign.issueDevice(
            csr: try CertificateRequest.make(key: device.key, commonName: "box-1"), device: device.name,
            now: registry.clock.now, valid: .seconds(3600), serial: try RandomBytes.make(16))
        let liar = try SimulatedDevice.client(registry, String(decoding: forged, as: UTF8.self), device.key, authority)
        await #expect(throws: ClientError.self) {
            _ = try await liar.assignment(above: 0, wait: .zero, snapshot: 0, timestamp: 0, journal: device.journal)
        }
        // Of a device that was deleted, on a connection that is open.
        _ = try await device.poll()
        try await registry.admin.deleteDevice(device.name)
        await expectProblem(401, "unknownDevice") { _ = try await device.poll() }
        await expectProblem(404, "unknownDevice") { _ = try await registry.admin.device(device.name) }
        try await registry.stop()
    }

    @Test("An expired certificate polls no more, but renews by a nonce that its key signs; a foreign key does not")
    func renewal() async throws {
        let registry = try await ready()
        let device = try await SimulatedDevice("box-1", at: registry)
        registry.clock.advance(by: .seconds(91 * 86_400))
        await expectProblem(401, "certificateExpired") { _ = try await device.poll() }
        let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
        let anonymous = DeviceClient(
            http: try HTTPClient(origin: registry.deviceOrigin, configuration: .init(authorityPEM: authority)))
        func renew(_ signer: KeyPair, nonce: String) async throws -> EnrolAnswer {
            let bytes = try #require(Hex.decode(nonce))
            return try await anonymous.renew(
                RenewRequest(
                    certificate: device.certificate, nonce: nonce, signature: Hex.encode(try signer.sign(bytes)),
                    certificateRequest: SimulatedDevice.pem(
                        try CertificateRequest.make(key: device.key, commonName: "box-1")), journal: device.journal))
        }
        let nonce = try await anonymous.renewalNonce().nonce
        let stranger = try KeyPair.generate(.ed25519)
        await expectProblem(403, "renewalRefused") { _ = try await renew(stranger, nonce: nonce) }
        let answer = try await renew(device.key, nonce: nonce)
        #expect(answer.notAfter > registry.clock.now + .seconds(80 * 86_400))
        await expectProblem(403, "nonceRefused") { _ = try await renew(device.key, nonce: nonce) }
        try await registry.stop()
    }

    @Test("A certificate that two journals use is held, and says so")
    func clones() async throws {
        let registry = try await ready()
        let device = try await SimulatedDevice("box-1", at: registry)
        let clone = try SimulatedDevice.newJournal()
        await expectProblem(403, "heldDevice") {
            _ = try await device.client.assignment(above: 0, wait: .zero, snapshot: 0, timestamp: 0, journal: clone)
        }
        await expectProblem(403, "heldDevice") { _ = try await device.poll() }
        #expect(try await registry.admin.device(device.name).held?.contains("two journals") == true)
        try await registry.stop()
    }

    @Test("A parked poll is answered by the change, and ended by the shutdown")
    func longPoll() async throws {
        let registry = try await ready()
        let release = try await registry.publish("clinic/triage/1.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        let slot = try SlotName("triage")
        async let parked = device.poll(wait: .seconds(50))
        try await eventually(within: 10, "the device is seen in its poll") {
            String(decoding: try await registry.call(.get, "/metrics").body, as: UTF8.self)
                .contains("martlet_registry_polls_parked 1")
        }
        #expect(try await registry.admin.device(device.name).online)
        _ = try await registry.admin.startRollout(
            RolloutRequest(selector: try LabelSelector("site=berlin"), slot: slot, releases: [release.path]))
        let assignment = try #require(try await parked)
        #expect(assignment.slots[slot]?.releases.first?.indexDigest == release.index)
        #expect(assignment.expires - assignment.issued == .seconds(86_400))
        async let second = device.poll(wait: .seconds(50))
        try await eventually(within: 10, "the device is parked again") {
            String(decoding: try await registry.call(.get, "/metrics").body, as: UTF8.self)
                .contains("martlet_registry_polls_parked 1")
        }
        try await registry.stop()
        #expect(try await second == nil)
    }

    @Test("A device reads what its slots name, and for all else gets one answer, there or not")
    func reads() async throws {
        let registry = try await ready()
        let mine = try await registry.publish("clinic/triage/1.0.0")
        let other = try await registry.publish("clinic/billing/1.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        let oci = OCIClient(http: device.client.api.http)
        #expect(try await oci.blobSize(mine.weights, in: mine.path.repository) == nil)
        _ = try await registry.admin.startRollout(
            RolloutRequest(
                selector: try LabelSelector(""), slot: try SlotName("triage"), releases: [mine.path]))
        #expect(try await oci.manifest(mine.index, in: mine.path.repository).count == Int(mine.length))
        #expect(try await oci.blobSize(mine.weights, in: mine.path.repository) != nil)
        func answer(_ target: String) async throws -> (Int, [UInt8]) {
            let reply = try await device.client.api.http.perform(HTTPCall(.get, target), limit: 1 << 16)
            let text = String(decoding: reply.body, as: UTF8.self)
            return (
                reply.status,
                Array(text.replacing(other.weights.text, with: "X").replacing(Digest.of([5]).text, with: "X").utf8)
            )
        }
        let forbidden = try await answer("/v2/\(other.path.repository)/blobs/\(other.weights)")
        let unknown = try await answer("/v2/\(other.path.repository)/blobs/\(Digest.of([5]))")
        #expect(forbidden.0 == 404 && forbidden == unknown)
        // Claiming to run it does not open it.
        try await device.put(
            current: [mine.path], previous: [other.path], slot: try SlotName("triage"), generation: 1)
        #expect(try await answer("/v2/\(other.path.repository)/blobs/\(other.weights)").0 == 404)
        #expect(try await oci.blobSize(mine.weights, in: mine.path.repository) != nil)
        // The operators' routes are not there at all.
        #expect(try await answer("/api/v1/devices").0 == 404)
        #expect(try await answer("/v2/\(mine.path.repository)/tags/list").0 == 404)
        let push = try await device.client.api.http.perform(
            HTTPCall(.post, "/v2/clinic/triage/blobs/uploads/"), limit: 1 << 16)
        #expect(push.status == 405)
        try await registry.stop()
    }

    @Test("Reports are taken once, however often they come")
    func reports() async throws {
        let registry = try await ready()
        let device = try await SimulatedDevice("box-1", at: registry)
        let batch = ReportBatch(
            journal: device.journal,
            reports: (1...3).map {
                DeviceReport(sequence: Int64($0), time: Timestamp(seconds: 1_800_000_000), code: "agentStarted")
            })
        #expect(try await device.client.report(batch).highest == 3)
        #expect(try await device.client.report(batch).highest == 3)
        #expect(try await registry.admin.history(of: device.name).map(\.sequence) == [3, 2, 1])
        try await registry.stop()
    }

    @Test("A number that a device has is signed anew for one that asks as if it had it not, and not for others")
    func signedAnew() async throws {
        let registry = try await ready()
        let release = try await registry.publish("clinic/triage/1.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        _ = try await registry.admin.startRollout(
            RolloutRequest(
                selector: try LabelSelector("site=berlin"), slot: try SlotName("triage"), releases: [release.path]))
        let first = try #require(try await device.poll(wait: .seconds(50)))
        registry.clock.advance(by: .seconds(3600))
        #expect(try await device.poll() == nil)
        let again = try #require(try await device.poll(above: first.number - 1))
        #expect(again.number == first.number && again.slots == first.slots)
        #expect(again.expires - first.expires > .seconds(3500))
        try await registry.stop()
    }

    @Test("A registry restored from an older backup goes on above what devices have accepted")
    func restored() async throws {
        let registry = try await ready()
        let device = try await SimulatedDevice("box-1", at: registry)
        let versions = try await registry.admin.status().metadataVersions
        let bytes = try await device.client.assignment(
            above: 41, wait: .zero, snapshot: 70, timestamp: 80, journal: device.journal)
        let now = registry.clock.now
        let director = try await PublicKeyOf.director(registry)
        let assignment = try Assignment.verify(
            try #require(bytes), directorKeys: director, threshold: 1, device: device.name, highestNumber: 41,
            now: now)
        #expect(assignment.number == 42)
        let after = try await registry.admin.status().metadataVersions
        #expect(versions["snapshot"] == 1 && after["snapshot"] == 71 && after["timestamp"] == 81)
        // One that lies about what it has seen must not use the versions up.
        _ = try await device.client.assignment(
            above: 42, wait: .zero, snapshot: 9_000_000_000_000_000, timestamp: 0, journal: device.journal)
        #expect(try await registry.admin.status().metadataVersions["snapshot"] == 71)
        try await registry.stop()
    }

    @Test("Telemetry is merged by minute, taken once, and refused where it is malformed")
    func telemetry() async throws {
        let registry = try await ready()
        let device = try await SimulatedDevice("box-1", at: registry)
        let export = try TelemetrySample.export(device.name, at: registry.clock.now)
        try await device.client.telemetry(export, journal: device.journal, sequence: 1)
        try await device.client.telemetry(
            CompressedExport.compressing(export), coding: "zstd", journal: device.journal, sequence: 1)
        let points = try await registry.admin.telemetry(["device": "box-1", "slot": "triage"])
        #expect(points.map(\.requests) == [7])
        #expect(points.first?.release?.text == "clinic/triage/1.0.0")
        #expect((points.first?.p95Milliseconds ?? 0) > 0)
        #expect(
            try await registry.admin.telemetry(["minutes": "5"]).contains { $0.slot == nil && $0.memoryUsed != nil })
        await expectProblem(400, "invalidDocument") {
            try await device.client.telemetry(Array("{".utf8), journal: device.journal, sequence: 2)
        }
        await expectProblem(400, "invalidDocument") {
            try await device.client.telemetry(export, coding: "zstd", journal: device.journal, sequence: 2)
        }
        await expectProblem(415, "unsupportedMediaType") {
            try await device.client.telemetry(export, coding: "br", journal: device.journal, sequence: 2)
        }
        try await device.client.telemetry(
            CompressedExport.compressing(export), coding: "zstd", journal: device.journal, sequence: 2)
        #expect(try await registry.admin.telemetry(["device": "box-1", "slot": "triage"]).map(\.requests) == [14])
        await expectProblem(400, "badRequest") { _ = try await registry.admin.telemetry(["minutes": "0"]) }
        await expectProblem(400, "invalidValue") { _ = try await registry.admin.telemetry(["device": "Box 1"]) }
        try await registry.stop()
    }

    @Test("Enrolling is limited by address")
    func rateLimit() async throws {
        let registry = try await ready()
        let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
        let client = DeviceClient(
            http: try HTTPClient(origin: registry.deviceOrigin, configuration: .init(authorityPEM: authority)))
        var refused = false
        for _ in 0..<70 where !refused {
            do throws(ClientError) {
                _ = try await client.renewalNonce()
            } catch {
                #expect(error.status == 429 && error.code == "tooManyRequests")
                refused = true
            }
        }
        #expect(refused)
        registry.clock.advance(by: .seconds(61))
        _ = try await client.renewalNonce()
        try await registry.stop()
    }
}
