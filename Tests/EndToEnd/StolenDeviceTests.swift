import Foundation
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

/// docs/security.md, the row "stolen device": somebody has a box, or a copy of its disk with the key.
@Suite("A stolen device", .serialized)
struct StolenDeviceTests {
    private static let slot = "triage"

    /// Two devices, each with a release that the other has not, and an alias of what each serves.
    private func scene(
        _ name: String, _ body: (Site, Site.Device, Site.Device, [String: ReleaseInfo]) async throws -> Void
    ) async throws {
        try await Site.ready(name) { site in
            var releases: [String: ReleaseInfo] = [:]
            for (name, file) in [("one", "tiny-v1.Q4_0.gguf"), ("two", "tiny-v2.Q4_0.gguf")] {
                try await site.martlet("publish", StoryTests.tiny(file), "--as", "clinic/\(name):1.0.0")
                releases[name] = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/\(name):1.0.0")
            }
            let devices = [
                try await site.startDevice("ward-1", labels: ["ward=one"]),
                try await site.startDevice("ward-2", labels: ["ward=two"]),
            ]
            for name in ["one", "two"] {
                try await site.martlet(
                    "rollout", "start", "clinic/\(name):1.0.0", "--selector", "ward=\(name)", "--slot", Self.slot,
                    "--soak", "0s", "--wait")
            }
            try await body(site, devices[0], devices[1], releases)
            for device in devices {
                #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200, "\(device.name)")
                #expect(try await device.process.stop() == 0)
            }
        }
    }

    @Test("acts for itself alone and reads what its own generations name; once revoked it gets nothing, by no way")
    func revoked() async throws {
        try await scene("stolen") { site, device, other, releases in
            let (one, two) = (try #require(releases["one"]), try #require(releases["two"]))
            let thief = try StolenIdentity(data: device.data)
            let victim = try StolenIdentity(data: other.data)
            // Until somebody notices, the thief is the device.
            #expect(try await thief.poll().status == 200)
            #expect(try await thief.manifest(one) == 200)

            // Not another one: not by what it reads, says of itself, or calls itself.
            #expect(try await thief.manifest(two) == 404)
            let unknown = try await thief.get("/v2/clinic/two/blobs/\(Digest.of([1]))")
            for blob in StoryTests.files(under: other.data + "/blobs/sha256").map({ $0.suffix(64) }) {
                let answer = try await thief.get("/v2/clinic/two/blobs/sha256:\(blob)")
                #expect(answer.status == unknown.status, "there or not, the answer is one")
            }
            let poll = try await thief.get("/device/v1/assignment?number=0&device=ward-2")
            #expect(!String(decoding: poll.body, as: UTF8.self).contains("clinic/two"))
            var inventory = try #require(try await site.device("ward-1").inventory)
            inventory.profile = "stolen-goods"
            try await thief.client.put(inventory)
            #expect(try await site.device("ward-2").inventory?.profile != "stolen-goods")
            let claim = DeviceReport(
                sequence: 1_000_000, time: .now, slot: try SlotName(Self.slot), generation: 1, releases: [two.path],
                state: .failed, code: "evil")
            _ = try await thief.client.report(ReportBatch(journal: thief.journal, reports: [claim]))
            let told = try await site.json([DeviceReport].self, "devices", "reports", "ward-2")
            #expect(!told.contains { $0.code == "evil" })
            #expect(try await thief.get("/api/v1/devices").status == 404)
            let name = try await site.enrol("ward-2", join: try await site.joinFile(), data: site.folder.file("x"))
            #expect(name.status == 73 && name.errors.contains("[deviceNameTaken]"), "\(name)")

            try await site.martlet("devices", "revoke", "ward-1", "--reason", "stolen on 3 May")
            #expect(try await thief.poll().status == 403)
            #expect(try await thief.manifest(one) == 403)
            await expectProblem(403, "revokedDevice") { try await thief.client.put(inventory) }
            await expectProblem(403, "renewalRefused") { _ = try await thief.renew() }
            // A box that was away all the while and was started by the thief is told the same.
            try await eventually(within: 60, "the agent is told\n\(device.process.output)") {
                device.process.output.contains("stolen on 3 May")
            }
            #expect(try await victim.poll().status == 200, "the other device goes on")
        }
    }

    @Test("in a second box beside the first is noticed and held, with both cut off, until an operator decides")
    func twoBoxes() async throws {
        try await scene("twobox") { site, device, other, _ in
            // The thief's own agent, with key and certificate of the device.
            let copy = site.folder.file("devices/copy")
            try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
            for name in ["identity", "tuf"] {
                try FileManager.default.copyItem(atPath: device.data + "/" + name, toPath: copy + "/" + name)
            }
            try FileManager.default.copyItem(
                atPath: site.folder.file("ward-1.agent.json"), toPath: site.folder.file("copy.agent.json"))
            let twin = try await site.startAgent("copy")
            try await eventually(within: 90, "the device is held\n\(twin.process.output)") {
                try await site.device("ward-1").standing == .held
            }
            for process in [device.process, twin.process] {
                try await eventually(within: 90, "both are told\n\(process.output)") {
                    process.output.contains("heldDevice")
                }
            }
            #expect(try await StolenIdentity(data: device.data).poll().status == 403)
            let rows = try await site.json([AuditRow].self, "audit", "list")
            #expect(rows.contains { $0.action == "device.hold" && $0.subject == "ward-1" })
            #expect(try await site.device("ward-2").standing == .active)
            #expect(try await StolenIdentity(data: other.data).poll().status == 200)
            #expect(try await twin.process.stop() == 0)
        }
    }
}
