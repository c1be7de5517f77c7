import Foundation
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

/// docs/security.md, the row "stolen join token": somebody else holds the one string.
@Suite("A stolen join token", .serialized)
struct StolenTokenTests {
    @Test("enrols as many boxes as it has uses left and not one more, also where five ask at once; each is in the log")
    func uses() async throws {
        try await Site.ready("join") { site in
            let join = try await site.joinFile("--uses", "3")
            let rightful = try await site.enrol("ward-1", join: join)
            #expect(rightful.status == 0, "\(rightful)")
            #expect(try await site.json([JoinTokenInfo].self, "token", "joins").map(\.usesLeft) == [2])
            let attempts = try await withThrowingTaskGroup(of: Finished.self) { group in
                for number in 1...5 { group.addTask { try await site.enrol("evil-\(number)", join: join) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(attempts.count { $0.status == 0 } == 2, "\(attempts)")
            for refused in attempts.filter({ $0.status != 0 }) {
                #expect(refused.status == 77 && refused.errors.contains("[joinTokenRefused]"), "\(refused)")
            }
            let late = try await site.enrol("evil-6", join: join)
            #expect(late.status == 77 && late.errors.contains("[joinTokenRefused]"), "\(late)")
            let devices = try await site.json([DeviceInfo].self, "devices", "list").map(\.device.text)
            #expect(devices.count == 3 && devices.contains("ward-1"), "\(devices)")
            let rows = try await site.json([AuditRow].self, "audit", "list")
            let enrolled = rows.filter { $0.action == "device.enrol" }
            #expect(Set(enrolled.map(\.subject)) == Set(devices))
            #expect(Set(enrolled.compactMap { $0.detail["token"]?.string }).count == 1, "by which token: \(enrolled)")
        }
    }

    @Test("is worth nothing after its time, and after it was revoked")
    func ends() async throws {
        try await Site.ready("joinend") { site in
            let short = try await site.joinFile("--valid", "1s")
            let revoked = try await site.joinFile()
            for token in try await site.json([JoinTokenInfo].self, "token", "joins")
            where token.expires - token.created > .seconds(60) {
                try await site.martlet("token", "revoke", token.id)
            }
            try await eventually(within: 30, "no join token is good any more") {
                try await site.json([JoinTokenInfo].self, "token", "joins").isEmpty
            }
            for join in [short, revoked] {
                let refused = try await site.enrol("evil", join: join)
                #expect(refused.status == 77 && refused.errors.contains("[joinTokenRefused]"), "\(refused)")
            }
            // Not a form of the string either that nobody made.
            let text = try String(contentsOfFile: short, encoding: .utf8).trimmingCharacters(in: .newlines)
            for forged in [String(text.dropLast(2)), text + text, "martlet-join.v1."] {
                try forged.write(toFile: short, atomically: true, encoding: .utf8)
                let refused = try await site.enrol("evil", join: short)
                #expect(refused.status != 0 && !refused.errors.contains(text), "\(refused)")
            }
            #expect(try await site.json([DeviceInfo].self, "devices", "list").isEmpty)
        }
    }

    @Test("opens nothing of other devices to the box that it enrols; by --approval nothing at all")
    func nothingOfOthers() async throws {
        try await Site.ready("joinown") { site in
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            let release = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/base:1.0.0")
            let device = try await site.startDevice("ward-1")
            try await site.martlet(
                "rollout", "start", "clinic/base:1.0.0", "--selector", "site=berlin", "--slot", "triage", "--soak",
                "0s", "--wait")
            let own = try StolenIdentity(data: device.data)
            #expect(try await own.manifest(release) == 200, "the device itself reads it")

            let join = try await site.joinFile("--uses", "3", "--label", "site=nowhere")
            #expect(try await site.enrol("evil", join: join).status == 0)
            let evil = try StolenIdentity(data: site.folder.file("devices/evil"))
            // It said that it is in Berlin; the token says otherwise, and that holds.
            #expect(try await site.device("evil").labels.values["site"] == "nowhere")
            #expect(try await evil.poll().status == 204, "nothing is assigned to it")
            #expect(try await evil.manifest(release) == 404)
            let blobs = StoryTests.files(under: device.data + "/blobs/sha256").map { $0.suffix(64) }
            #expect(!blobs.isEmpty)
            for blob in blobs { #expect(try await evil.get("/v2/clinic/base/blobs/sha256:\(blob)").status == 404) }
            #expect(try await evil.get("/api/v1/devices").status == 404, "operators' calls are not on this listener")
            // What it says it says of itself.
            let claim = DeviceReport(sequence: 1, time: .now, state: .failed, code: "evil", message: "I am ward-1")
            _ = try await evil.client.report(ReportBatch(journal: evil.journal, reports: [claim]))
            func told(_ device: String) async throws -> Bool {
                try await site.json([DeviceReport].self, "devices", "reports", device).contains { $0.code == "evil" }
            }
            #expect(try await told("evil"))
            #expect(try await !told("ward-1"))
            let taken = try await site.enrol("ward-1", join: join, data: site.folder.file("devices/evil-1"))
            #expect(taken.status == 73 && taken.errors.contains("[deviceNameTaken]"), "\(taken)")

            // Where the token fixes no labels it takes what it wants, and reads what these get.
            let free = try await site.joinFile()
            #expect(try await site.enrol("evil-3", join: free).status == 0)
            let berliner = try StolenIdentity(data: site.folder.file("devices/evil-3"))
            try await site.martlet(
                "rollout", "start", "clinic/base:1.0.0", "--selector", "site=berlin", "--slot", "other", "--soak", "0s")
            try await eventually(within: 60, "the box in Berlin is assigned what Berlin is") {
                try await berliner.manifest(release) == 200
            }
            let waiting = try await site.joinFile("--approval")
            #expect(try await site.enrol("evil-2", join: waiting).status == 0)
            let pending = try StolenIdentity(data: site.folder.file("devices/evil-2"))
            #expect(try await pending.poll().status == 403)
            #expect(try await pending.manifest(release) == 403)
            try await site.martlet("devices", "reject", "evil-2", "--reason", "not ours")
            #expect(try await pending.poll().status == 403)

            try await site.waitUntilServing("ward-1", "triage", "clinic/base:1.0.0")
            #expect(try await Chat.ask(device.gateway, model: "triage", "hello") == 200)
            #expect(try await device.process.stop() == 0)
        }
    }
}
