import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Devices' and operators' identities with the real programs: who gets in, who stays, and how that ends.
@Suite("Identity", .timeLimit(.minutes(10)))
struct IdentityTests {
    @Test("A registry with its own certificate is known by its fingerprint, and by no other")
    func login() async throws {
        let site = try Site("login")
        try await site.startRegistry(["--operator-tls", "own", "--admin-token-file", site.folder.file("admin.token")])
        let line = try #require(site.registryLog.split(separator: "\n").first { $0.contains("--fingerprint ") })
        let fingerprint = String(line.split(separator: " ").last ?? "")
        let address = site.operatorAddress.replacing("http://", with: "https://")
        let token = ["--token-file", site.folder.file("admin.token")]
        let blind = try await site.martlet(["login", address] + token, expecting: 76)
        #expect(!blind.errors.isEmpty)
        let wrong = String(repeating: "0", count: 64)
        let other = try await site.martlet(["login", address, "--fingerprint", wrong] + token, expecting: 76)
        #expect(other.errors.contains(fingerprint))
        try await site.martlet(["login", address, "--fingerprint", "nonsense"] + token, expecting: 65)
        let colons = stride(from: 0, to: 64, by: 2).map { fingerprint.dropFirst($0).prefix(2).uppercased() }
        try await site.martlet(
            ["login", address, "--fingerprint", colons.joined(separator: ":")] + token, expecting: 0)
        try await site.martlet("status")
        let caller = try await site.json(
            TokenInfo.self, "token", "create", "wall", "--fleet", "wards", "--namespace", "clinic")
        #expect(caller.fleets?.map(\.text) == ["wards"] && caller.namespaces == ["clinic"])
        #expect(caller.expires != nil)
        try await site.stopRegistry()
    }

    @Test("Plain HTTP to the world is an order, not an accident; own TLS is the default there")
    func world() async throws {
        let site = try Site("world")
        let process = try RunningProcess(
            Checkout.product("martlet-registry"),
            [
                "serve", "--data", site.folder.file("data"), "--operator-address", "0.0.0.0:0", "--device-address",
                "127.0.0.1:0",
            ], log: site.folder.file("world.log"))
        try await eventually(within: 60, "it listens\n\(process.output)") { process.output.contains("Devices:") }
        #expect(process.output.contains("Operators: https://"))
        #expect(try await process.stop() == 0)
        let odd = try await run(
            Checkout.product("martlet-registry"),
            ["serve", "--data", site.folder.file("data"), "--operator-tls", "off"])
        #expect(odd.status == 78, "\(odd.errors)")
    }

    @Test("A device waits for approval and says so, goes on by itself, and is rejected for good")
    func approval() async throws {
        let site = try Site("approval")
        try await site.startRegistry(["--require-approval"])
        try await site.initializeTrust()
        let enrolled = try await site.enrol("ward-1", join: try await site.joinFile())
        #expect(enrolled.status == 0 && enrolled.output.contains("martlet devices approve ward-1"), "\(enrolled)")
        let agent = try await site.startAgent("ward-1")
        try await eventually(within: 60, "the agent says that it waits\n\(agent.process.output)") {
            agent.process.output.contains("waits for an operator's approval")
        }
        let status = try await run(Checkout.product("martlet-agent"), ["status", "--data", agent.data])
        #expect(status.output.contains("waits for an operator's approval"), "\(status.output)")
        let pending = try await site.json([DeviceInfo].self, "devices", "list", "--state", "pending")
        #expect(pending.map(\.device.text) == ["ward-1"])
        #expect(try await site.martlet("devices", "list").output.contains("pending"))
        try await site.martlet("devices", "approve", "ward-1")
        try await eventually(within: 90, "it is there by itself\n\(agent.process.output)") {
            let info = try await site.device("ward-1")
            return info.standing == .active && info.online && info.profile != nil
        }
        let second = try await site.enrol("ward-2", join: try await site.joinFile("--approval"))
        #expect(second.status == 0)
        try await site.martlet("devices", "reject", "ward-2", "--reason", "not ours")
        let rejected = try await site.startAgent("ward-2")
        try await eventually(within: 60, "it is told why\n\(rejected.process.output)") {
            rejected.process.output.contains("not ours")
        }
        _ = try await agent.process.stop()
        _ = try await rejected.process.stop()
        try await site.stopRegistry()
    }

    @Test("A device renews its certificate by itself, again and again, and what it had serves on")
    func renewal() async throws {
        let site = try Site("renewal")
        try await site.startRegistry(["--device-certificate-life", "20s"])
        try await site.initializeTrust()
        #expect(try await site.enrol("ward-1", join: try await site.joinFile()).status == 0)
        let first = try await site.device("ward-1").certificateExpires
        let agent = try await site.startAgent("ward-1")
        try await eventually(within: 120, "it has renewed three times\n\(agent.process.output)") {
            agent.process.output.components(separatedBy: "certificate renewed").count > 3
        }
        let info = try await site.device("ward-1")
        #expect(info.certificateExpires > first && info.standing == .active)
        // Well past the end of the first certificate it is still there.
        #expect(info.certificateExpires - first > .seconds(20))
        try await eventually(within: 30, "it polls with the new one") { try await site.device("ward-1").online }
        _ = try await agent.process.stop()
        try await site.stopRegistry()
    }

    @Test("A revoked device is cut off at once; another box takes its place; no log holds a secret of it all")
    func replacement() async throws {
        let site = try Site("replacement")
        try await site.startRegistry(["--log-level", "trace"])
        try await site.initializeTrust()
        let join = try await site.joinFile("--label", "tier=lab")
        #expect(try await site.enrol("ward-1", join: join).status == 0)
        let former = try await site.startAgent("ward-1", extra: ["--log-level", "trace"])
        try await eventually(within: 60, "it is there") { try await site.device("ward-1").online }
        try await site.martlet("devices", "revoke", "ward-1", "--reason", "stolen on 3 May")
        try await eventually(within: 45, isPatient: false, "it is told at once\n\(former.process.output)") {
            former.process.output.contains("stolen on 3 May")
        }
        #expect(
            try await site.enrol("ward-1", join: try await site.joinFile(), data: site.folder.file("x")).status != 0)
        let token = try await site.martlet("devices", "replace", "ward-1").output
        let replace = site.folder.file("replace.join")
        try token.write(toFile: replace, atomically: true, encoding: .utf8)
        try FileManager.default.moveItem(
            atPath: site.folder.file("devices/ward-1"), toPath: site.folder.file("devices/stolen"))
        let taken = try await site.enrol("ward-1", join: replace)
        #expect(taken.status == 0, "\(taken.errors)")
        let next = try await site.startAgent("ward-1", extra: ["--log-level", "trace"])
        try await eventually(within: 60, "the new box is there\n\(next.process.output)") {
            let info = try await site.device("ward-1")
            return info.online && info.standing == .active && info.labels.values["tier"] == "lab"
        }
        for process in [former.process, next.process] { _ = try await process.stop() }
        let log = site.registryLog
        try await site.stopRegistry()

        var secrets = [try String(contentsOfFile: site.folder.file("admin.token"), encoding: .utf8)]
        secrets += try [join, replace].map { try String(contentsOfFile: $0, encoding: .utf8) }
        for folder in ["devices/ward-1/identity", "devices/stolen/identity", "registry/keys", "operator/keys"] {
            let path = site.folder.file(folder)
            for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.hasSuffix(".pem") {
                let text = try String(contentsOfFile: path + "/" + name, encoding: .utf8)
                guard text.contains("PRIVATE KEY") else { continue }
                secrets.append(String(text.split(separator: "\n").dropFirst().first ?? ""))
            }
        }
        #expect(secrets.count > 8)
        for (place, text) in [
            ("registry", log), ("former agent", former.process.output), ("next agent", next.process.output),
        ] {
            #expect(!text.isEmpty)
            for secret in secrets {
                let needle = secret.trimmingCharacters(in: .whitespacesAndNewlines)
                #expect(needle.count > 20 && !text.contains(needle), "a secret stands in the log of the \(place)")
            }
        }
    }
}
