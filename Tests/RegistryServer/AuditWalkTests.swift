import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TUF
import TestSupport
import Testing
import Trust

@testable import RegistryServer

/// Every route that changes something, on both listeners: what stands in the audit log after it was called once.
@Suite struct AuditWalkTests {
    /// Routes that change something and write no row, or not one row, and why.
    private static let exempt: [String: String] = [
        "POST /api/v1/rollouts/plan": "computes and keeps nothing",
        "POST /api/v1/tuf/import":
            "a row for each release, yank and floor that it takes over, and one for the roles",
        "POST /device/v1/renew/nonce": "a nonce is good for a minute and changes nothing by itself",
        "PUT /device/v1/inventory": "what a device says of itself; kept as its present state",
        "POST /device/v1/reports": "what a device says happened; kept whole as its history",
        "POST /device/v1/otlp/v1/metrics": "measurements",
        "POST /v2/{path+}": "begins an upload: bytes that nothing names yet",
        "PATCH /v2/{path+}": "goes on with an upload",
    ]

    /// The OCI paths are routed by the server itself.
    private static let pushes = Route(.put, "/v2/{path+}", .atLeast(.publisher))
    private static let removals = Route(.delete, "/v2/{path+}", .atLeast(.publisher))
    private static let content =
        [pushes, removals] + [.post, .patch].map { Route($0, "/v2/{path+}", .atLeast(.publisher)) }

    /// One call and the rows that its caller must find in the log after it.
    private struct Step {
        let route: String
        let actions: [String]
        let call: () async throws -> Void

        init(_ route: Route, _ actions: String..., call: @escaping () async throws -> Void) {
            self.route = "\(route.method.rawValue) \(route.path)"
            self.actions = actions
            self.call = call
        }
    }

    @Test("Each route that changes something writes exactly one row by its caller, or is exempt for a reason")
    func everyWriteHasItsRow() async throws {
        let registry = try await RegistryFixture.start { $0.webhooks.network = .loopback }
        var walked = Set(Self.exempt.keys)
        for step in try await Self.steps(registry) {
            let before = try await registry.admin.audit().count
            try await step.call()
            let rows = try await registry.admin.audit(["after": String(before)])
            // What the registry decides by itself thereafter has rows of its own.
            let own = rows.filter { $0.actor != "registry" }.map(\.action)
            #expect(own == step.actions, "\(step.route)")
            walked.insert(step.route)
        }
        let writes = (OperatorRoutes.all + DeviceRoutes.all + Self.content)
            .filter { ![.get, .head].contains($0.method) }.map { "\($0.method.rawValue) \($0.path)" }
        for route in writes {
            #expect(walked.contains(route), "\(route) is walked here, or exempt with a reason")
        }
        #expect(Set(writes).isSuperset(of: Self.exempt.keys), "each exempt route is there")
        try await registry.stop()
    }

    private static func steps(_ registry: RegistryFixture) async throws -> [Step] {
        let found = Findings()
        return try await trust(registry, found) + proposals(registry, found) + releases(registry, found)
            + devices(registry, found)
            + rollouts(registry, found) + webhooks(registry, found) + administration(registry, found)
    }

    /// What later steps need of earlier ones.
    private final class Findings: @unchecked Sendable {
        // Guard: steps are called one after the other.
        var pushed: PushedRelease?
        var ids: [String: String] = [:]
        var change: TrustChange?
        var devices: [String: SimulatedDevice] = [:]
    }

    private static func send(_ registry: RegistryFixture, _ route: Route, _ names: [String: String], _ body: String)
        async throws
    {
        let reply = try await registry.call(
            route.method, route.path(names), fields: [.contentType: "application/json"],
            body: .bytes(Array(body.utf8)))
        #expect((200..<300).contains(reply.status), "\(route.path): \(String(decoding: reply.body, as: UTF8.self))")
    }

    private static func trust(_ registry: RegistryFixture, _ found: Findings) async throws -> [Step] {
        let bin = { (version: String) in try NamespaceLayout("clinic").bin(for: "clinic/triage/\(version)") }
        let edit = { (version: String) async throws -> TrustChange in
            let release = try await registry.push("clinic/triage/\(version)", weights: Array(version.utf8))
            let (role, bytes) = try await registry.signed(.add(path: release.path.text, file: release.target))
            return TrustChange(roles: [role: String(decoding: bytes, as: UTF8.self)])
        }
        return [
            Step(OperatorRoutes.initializeTrust, "trust.init") { try await registry.initializeTrust() },
            Step(OperatorRoutes.makeOnlineKey, "trust.makeOnlineKey") {
                _ = try await registry.admin.makeOnlineKey(.snapshot)
            },
            Step(Self.pushes, "manifest.push", "manifest.push") {
                found.pushed = try await registry.push("clinic/triage/1.0.0", weights: [1])
            },
            Step(OperatorRoutes.putRole, "release.publish") { try await registry.sign(try #require(found.pushed)) },
            Step(OperatorRoutes.changeTrust, "manifest.push", "manifest.push", "release.publish") {
                _ = try await registry.admin.change(try await edit("2.0.0"))
            },
            Step(OperatorRoutes.propose, "manifest.push", "manifest.push", "trust.propose", "release.publish") {
                _ = try await registry.admin.propose(
                    ProposalRequest(change: try await edit("3.0.0"), note: "enough signatures at once"))
            },
            Step(OperatorRoutes.putRole, "tuf.put") {
                let role = try await registry.role(try bin("1.0.0"))
                let next = role.next(expires: registry.clock.now + MetadataLifetime.namespace)
                let bytes = try SignedEnvelope.sign(next.json, by: [try registry.key("clinic")]).encoded()
                _ = try await registry.admin.putRole(try bin("1.0.0"), bytes: bytes)
            },
        ]
    }

    /// Changes of two roles, which may be signed one by one.
    private static func proposals(_ registry: RegistryFixture, _ found: Findings) async throws -> [Step] {
        let layout = try NamespaceLayout("clinic")
        let first = try layout.bin(for: "clinic/triage/1.0.0")
        let second = try #require(
            (2...99).lazy.compactMap { try? layout.bin(for: "clinic/triage/\($0).0.0") }.first { $0 != first })
        func change(signing: Set<String>) async throws -> TrustChange {
            var roles: [String: String] = [:]
            for bin in [first, second] {
                let next = try await registry.role(bin).next(expires: registry.clock.now + MetadataLifetime.namespace)
                let keys = signing.contains(bin) ? [try registry.key("clinic")] : []
                roles[bin] = String(decoding: try SignedEnvelope.sign(next.json, by: keys).encoded(), as: UTF8.self)
            }
            return TrustChange(roles: roles)
        }
        func propose() async throws -> String {
            let half = try await change(signing: [first])
            return try await registry.admin.propose(ProposalRequest(change: half, note: "renew two")).proposal.id
        }
        return [
            Step(OperatorRoutes.propose, "trust.propose") { found.ids["proposal"] = try await propose() },
            Step(OperatorRoutes.deleteProposal, "trust.withdraw") {
                try await registry.admin.deleteProposal(found.ids["proposal"] ?? "")
            },
            Step(OperatorRoutes.propose, "trust.propose") {
                found.ids["proposal"] = try await propose()
                found.change = try #require(try await registry.admin.proposals().first).change
            },
            Step(OperatorRoutes.signProposal, "trust.sign", "trust.change") {
                var change = try #require(found.change)
                let half = try SignedEnvelope(
                    parsing: Array((change.roles[second] ?? "").utf8), limit: Limits.tufMetadataBytes)
                let whole = try half.adding(signatureBy: try registry.key("clinic")).encoded()
                change.roles[second] = String(decoding: whole, as: UTF8.self)
                _ = try await registry.admin.sign(found.ids["proposal"] ?? "", change)
            },
        ]
    }

    private static func releases(_ registry: RegistryFixture, _ found: Findings) async throws -> [Step] {
        let path = #""path": "clinic/triage/1.0.0""#
        return [
            Step(OperatorRoutes.block, "release.block") {
                try await send(
                    registry, OperatorRoutes.block, [:], "{\(path), \"blocked\": true, \"reason\": \"slow\"}")
            },
            Step(OperatorRoutes.block, "release.unblock") {
                try await send(registry, OperatorRoutes.block, [:], "{\(path), \"blocked\": false, \"reason\": \"\"}")
            },
            Step(OperatorRoutes.putAlias, "alias.set") {
                try await send(
                    registry, OperatorRoutes.putAlias, [:],
                    #"{"repository": "clinic/triage", "name": "stable", "version": "1.0.0"}"#)
            },
            Step(Self.removals, "manifest.push", "manifest.push", "manifest.delete") {
                _ = try await registry.push("clinic/other/1.0.0", weights: [7])
                try await send(
                    registry, Route(.delete, "/v2/clinic/other/manifests/1.0.0", .open), [:], "")
            },
        ]
    }

    private static func devices(_ registry: RegistryFixture, _ found: Findings) async throws -> [Step] {
        [
            Step(DeviceRoutes.enrol, "joinToken.create", "device.enrol") {
                found.devices["box-1"] = try await SimulatedDevice("box-1", at: registry)
            },
            Step(DeviceRoutes.renew, "device.renew") {
                let device = try #require(found.devices["box-1"])
                let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
                let client = DeviceClient(
                    http: try HTTPClient(
                        origin: registry.deviceOrigin, configuration: .init(authorityPEM: authority)))
                let nonce = try await client.renewalNonce().nonce
                let signature = try device.key.sign(try #require(Hex.decode(nonce)))
                _ = try await client.renew(
                    RenewRequest(
                        certificate: device.certificate, nonce: nonce, signature: Hex.encode(signature),
                        certificateRequest: SimulatedDevice.pem(
                            try CertificateRequest.make(key: device.key, commonName: "box-1")),
                        journal: device.journal))
            },
            Step(DeviceRoutes.enrol, "joinToken.create", "device.enrol") {
                try await wait(registry, found, as: "box-2")
            },
            Step(OperatorRoutes.approveDevice, "device.approve") {
                try await send(registry, OperatorRoutes.approveDevice, ["device": "box-2"], #"{"reason": ""}"#)
            },
            Step(DeviceRoutes.enrol, "joinToken.create", "device.enrol") {
                try await wait(registry, found, as: "box-3")
            },
            Step(OperatorRoutes.rejectDevice, "device.reject") {
                try await send(registry, OperatorRoutes.rejectDevice, ["device": "box-3"], #"{"reason": "unknown"}"#)
            },
            Step(OperatorRoutes.patchDevice, "device.label") {
                try await send(
                    registry, OperatorRoutes.patchDevice, ["device": "box-1"], #"{"labels": {"site": "bonn"}}"#)
            },
            Step(OperatorRoutes.putFleet, "fleet.set") {
                try await send(
                    registry, OperatorRoutes.putFleet, ["fleet": "wards"],
                    #"{"name": "wards", "selector": "site=bonn"}"#)
            },
            Step(OperatorRoutes.putFleet, "fleet.set") {
                try await send(
                    registry, OperatorRoutes.putFleet, ["fleet": "labs"], #"{"name": "labs", "selector": "site=lab"}"#)
            },
            Step(OperatorRoutes.deleteFleet, "fleet.delete") {
                try await send(registry, OperatorRoutes.deleteFleet, ["fleet": "labs"], "")
            },
        ]
    }

    /// Enrols a device that waits for approval.
    private static func wait(_ registry: RegistryFixture, _ found: Findings, as name: String) async throws {
        let info = try await registry.admin.createJoinToken(JoinTokenRequest(needsApproval: true))
        let token = try JoinToken(parsing: try #require(info.token))
        found.devices[name] = try await SimulatedDevice(name, at: registry, labels: ["site": "lab"], token: token)
    }

    private static func rollouts(_ registry: RegistryFixture, _ found: Findings) async throws -> [Step] {
        let slot = try SlotName("triage")
        func start(_ version: String) async throws -> RolloutInfo {
            try await registry.admin.startRollout(
                RolloutRequest(
                    fleet: try FleetName("wards"), slot: slot,
                    releases: [try ReleasePath("clinic/triage/\(version)")]))
        }
        return [
            Step(OperatorRoutes.startRollout, "rollout.create") {
                found.ids["rollout"] = try await start("1.0.0").id.text
                _ = try await found.devices["box-1"]?.obey(slot)
            },
            Step(OperatorRoutes.startRollout, "rollout.create") {
                found.ids["rollout"] = try await start("2.0.0").id.text
            },
            Step(OperatorRoutes.changeRollout, "rollout.ask.pause") {
                let id = try RolloutID(found.ids["rollout"] ?? "")
                _ = try await registry.admin.changeRollout(id, .pause)
            },
            Step(OperatorRoutes.pinSlot, "device.pin") {
                let names = ["device": "box-1", "slot": "triage"]
                try await send(registry, OperatorRoutes.pinSlot, names, #"{"reason": "audit"}"#)
            },
            Step(OperatorRoutes.unpinSlot, "device.unpin") {
                try await send(registry, OperatorRoutes.unpinSlot, ["device": "box-1", "slot": "triage"], "")
            },
            Step(OperatorRoutes.holdDevice, "device.holdOut") {
                try await send(registry, OperatorRoutes.holdDevice, ["device": "box-1"], #"{"reason": "on loan"}"#)
            },
            Step(OperatorRoutes.releaseDevice, "device.letIn") {
                try await send(registry, OperatorRoutes.releaseDevice, ["device": "box-1"], "")
            },
            Step(OperatorRoutes.rollback, "rollback") {
                _ = try await registry.admin.rollback(
                    RollbackRequest(device: try DeviceID("box-1"), slot: slot, reason: "drill"))
            },
            Step(OperatorRoutes.signOffline, "offline.sign") {
                _ = try await registry.admin.signOffline(
                    OfflineRequest(devices: [try DeviceID("box-1")], validSeconds: 86_400))
            },
        ]
    }

    /// To an endpoint where nobody listens, so that a delivery waits.
    private static func webhooks(_ registry: RegistryFixture, _ found: Findings) async throws -> [Step] {
        func name(_ what: String) -> [String: String] { [what: found.ids[what] ?? ""] }
        return [
            Step(OperatorRoutes.createWebhook, "webhook.create") {
                let url = "http://127.0.0.1:\(try freePort())/"
                found.ids["webhook"] = try await registry.admin.createWebhook(WebhookRequest(url: url)).id
            },
            Step(OperatorRoutes.patchWebhook, "webhook.change") {
                try await send(registry, OperatorRoutes.patchWebhook, name("webhook"), #"{"events": "webhook.*"}"#)
            },
            Step(OperatorRoutes.rotateWebhook, "webhook.rotateSecret") {
                try await send(registry, OperatorRoutes.rotateWebhook, name("webhook"), "{}")
            },
            Step(OperatorRoutes.testWebhook, "webhook.test") {
                try await send(registry, OperatorRoutes.testWebhook, name("webhook"), "")
                try await eventually(within: 30, "something waits for the webhook") {
                    try await !registry.admin.deliveries().isEmpty
                }
                found.ids["delivery"] = try await registry.admin.deliveries().first.map { String($0.number) }
            },
            Step(OperatorRoutes.replayDelivery, "webhook.replay") {
                try await send(registry, OperatorRoutes.replayDelivery, name("delivery"), "")
            },
            Step(OperatorRoutes.deleteDelivery, "webhook.discard") {
                try await send(registry, OperatorRoutes.deleteDelivery, name("delivery"), "")
            },
            Step(OperatorRoutes.deleteWebhook, "webhook.delete") {
                try await send(registry, OperatorRoutes.deleteWebhook, name("webhook"), "")
            },
        ]
    }

    private static func administration(_ registry: RegistryFixture, _ found: Findings) async throws -> [Step] {
        [
            Step(OperatorRoutes.createToken, "token.create") {
                found.ids["token"] = try await registry.admin.createToken(
                    TokenRequest(name: "ann", role: .viewer)
                ).id
            },
            Step(OperatorRoutes.deleteToken, "token.delete") {
                try await registry.admin.deleteToken(found.ids["token"] ?? "")
            },
            Step(OperatorRoutes.createJoinToken, "joinToken.create") {
                found.ids["join"] = try await registry.admin.createJoinToken(JoinTokenRequest()).id
            },
            Step(OperatorRoutes.deleteJoinToken, "joinToken.delete") {
                try await registry.admin.deleteJoinToken(found.ids["join"] ?? "")
            },
            Step(OperatorRoutes.revokeDevice, "device.revoke") {
                try await send(registry, OperatorRoutes.revokeDevice, ["device": "box-1"], #"{"reason": "lost"}"#)
            },
            Step(OperatorRoutes.deleteDevice, "device.delete") {
                try await send(registry, OperatorRoutes.deleteDevice, ["device": "box-1"], "")
            },
        ]
    }
}
