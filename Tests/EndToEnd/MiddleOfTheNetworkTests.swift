import Foundation
import Glibc
import MartletAPI
import MartletTypes
import TestSupport
import Testing
import Trust

/// docs/security.md, the row "on the network": somebody holds the wire between a device, or an operator, and the
/// registry.
@Suite("Somebody in the middle of the network", .serialized)
struct MiddleOfTheNetworkTests {
    private static let slot = "triage"

    private static func port(_ address: String) -> Int { Int(address.split(separator: ":").last ?? "") ?? 0 }

    @Test("reads and changes nothing between device and registry, whatever certificate it shows; service goes on")
    func device() async throws {
        try await Site.ready("middle") { site in
            for (version, file) in [("1.0.0", "tiny-v1.Q4_0.gguf"), ("2.0.0", "tiny-v2.Q4_0.gguf")] {
                try await site.martlet("publish", StoryTests.tiny(file), "--as", "clinic/base:\(version)")
            }
            var device = try await site.startDevice("ward-1")
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("ward-1", Self.slot, "clinic/base:1.0.0")
            // Made here, it names the address that the attacker will have.
            let join = try await site.joinFile("--uses", "2")
            #expect(try await site.enrol("stolen", join: join).status == 0)
            let thief = try StolenIdentity(data: site.folder.file("devices/stolen"))
            let authority = try CertificateFacts(
                Array(try Data(contentsOf: URL(fileURLWithPath: site.registryData + "/keys/authority.crt"))))

            let front = Self.port(site.deviceAddress)
            try await site.stopRegistry()
            try await site.startRegistry(["--device-address", "127.0.0.1:\(try freePort())"])
            try await rollOut(site, "2.0.0")
            // An authority of the attacker's under the registry's name, and the certificate of a stolen device, which
            // the registry's own authority signed.
            let masks = [
                try Interceptor.Mask.ownAuthority(named: authority.commonName),
                Interceptor.Mask(certificate: Array(thief.certificate.utf8), key: thief.key),
            ]
            for mask in masks {
                let attacker = try await Interceptor.start(
                    at: front, leading: Self.port(site.deviceAddress), mask: mask)
                // Whoever does not look at certificates is read.
                let careless = try await Curl.get("https://127.0.0.1:\(front)/device/v1/assignment?number=777")
                #expect(careless.status == 401 && attacker.read.contains("number=777"), "\(careless)")
                #expect(try await device.process.stop() == 0)
                device = try await site.startAgent("ward-1")
                let (gateway, process) = (device.gateway, device.process)
                try await eventually(within: 90, "the device refuses the attacker\n\(process.output)") {
                    process.output.contains("certificateUntrusted")
                }
                try await eventually(within: 90, "it serves from its disk\n\(process.output)") {
                    try await Chat.ask(gateway, model: Self.slot, "hello") == 200
                }
                #expect(!attacker.read.contains("ward-1") && !attacker.read.contains("journal="), "nothing was read")
                try await joining(site, attacker, join)
                try await attacker.stop()
            }
            let served = try DataFolder(path: device.data).slots().first { $0.slot == Self.slot }
            #expect(served?.current == "clinic/base/1.0.0")
            // The way is free again.
            let wire = try Wire(port: front)
            defer { wire.end() }
            wire.lead(to: Self.port(site.deviceAddress))
            try await site.waitUntilServing("ward-1", Self.slot, "clinic/base:2.0.0", within: 180)
            #expect(try await device.process.stop() == 0)
        }
    }

    /// A new box trusts nobody at first use: it reads what is signed from whoever answers, and tells its secret to the
    /// authority that the join token names alone.
    private func joining(_ site: Site, _ attacker: Interceptor, _ join: String) async throws {
        let secret = try JoinToken(
            parsing: try String(contentsOfFile: join, encoding: .utf8).trimmingCharacters(in: .newlines)
        ).secret
        let refused = try await site.enrol("ward-2", join: join)
        #expect(refused.status == 76 && refused.errors.contains("[certificateUntrusted]"), "\(refused)")
        #expect(attacker.read.contains("1.root.json"), "what anybody may read")
        attacker.forge(#""root""#, as: #""toor""#)
        let forged = try await site.enrol("ward-2", join: join)
        #expect(forged.status == 76 && forged.errors.contains("[rootMismatch]"), "\(forged)")
        #expect(!attacker.read.contains(secret) && !attacker.read.contains("CERTIFICATE REQUEST"))
        #expect(try await site.json([JoinTokenInfo].self, "token", "joins").map(\.usesLeft) == [1])
    }

    @Test("gains nothing by what it recorded: neither the registry nor a device takes it a second time")
    func replay() async throws {
        try await Site.ready("replay") { site in
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            let wire = try await Wire.put(before: site)
            defer { wire.end() }
            let join = try await site.joinFile("--uses", "9")
            let secret = try JoinToken(
                parsing: try String(contentsOfFile: join, encoding: .utf8).trimmingCharacters(in: .newlines)
            ).secret
            #expect(try await site.enrol("ward-2", join: join).status == 0)
            let device = try await site.startDevice("ward-1")
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("ward-1", Self.slot, "clinic/base:1.0.0")

            let heard = wire.heard
            let (said, answered) = (heard.flatMap(\.fromDevice), heard.flatMap(\.fromRegistry))
            #expect(heard.count > 1 && said.count > 2000 && answered.count > 2000, "\(heard.count), \(said.count)")
            for word in [secret, "ward-2", "ward-1", "clinic", "HTTP/1.1", "journal="] {
                #expect(said.firstRange(of: Array(word.utf8)) == nil, "\(word) went over the wire as it is")
                #expect(answered.firstRange(of: Array(word.utf8)) == nil, "\(word) came over the wire as it is")
            }
            let rows = try await site.json([AuditRow].self, "audit", "list").count
            let uses = try await site.json([JoinTokenInfo].self, "token", "joins").map(\.usesLeft)
            for connection in heard.prefix(20) {
                let answer = try RawSocket.exchange(Self.port(site.deviceAddress), connection.fromDevice, seconds: 2)
                #expect(answer.firstRange(of: Array("HTTP/1.1".utf8)) == nil)
            }
            #expect(try await site.json([AuditRow].self, "audit", "list").count == rows, "nothing happened twice")
            #expect(try await site.json([JoinTokenInfo].self, "token", "joins").map(\.usesLeft) == uses)
            #expect(try await site.device("ward-1").standing == .active)

            // And what the registry said before, to the device.
            let longest = try #require(heard.map(\.fromRegistry).max { $0.count < $1.count })
            wire.set(.replays(longest))
            try await rollOut(site, "1.0.0", slot: "other")
            try await eventually(within: 90, "the device does not take it\n\(device.process.output)") {
                device.process.output.contains("tlsFailed") || device.process.output.contains("connectionLost")
            }
            #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200)
            wire.set(.pass)
            try await site.waitUntilServing("ward-1", "other", "clinic/base:1.0.0", within: 180)
            #expect(try await device.process.stop() == 0)
        }
    }

    @Test("gets no operator's token, before a login or after one")
    func operators() async throws {
        let site = try Site("middleop")
        try await site.startRegistry(["--operator-tls", "own"])
        let line = try #require(site.registryLog.split(separator: "\n").first { $0.contains("--fingerprint ") })
        let fingerprint = String(line.split(separator: " ").last ?? "")
        let address = site.operatorAddress.replacing("http://", with: "https://")
        let file = site.folder.file("admin.token")
        let secret = try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .newlines)
        try await site.martlet("login", address, "--fingerprint", fingerprint, "--token-file", file)
        try await site.martlet("status")

        let front = Self.port(site.operatorAddress)
        try await site.stopRegistry()
        let behind = try freePort()
        try await site.startRegistry(["--operator-tls", "own", "--operator-address", "127.0.0.1:\(behind)"])
        let attacker = try await Interceptor.start(
            at: front, leading: behind, mask: .ownAuthority(named: "martlet-authority"))
        let careless = try await Curl.get("https://127.0.0.1:\(front)/api/v1/status", token: "given-away")
        #expect(careless.status == 401 && attacker.read.contains("given-away"), "\(careless)")
        for arguments in [
            ["status"], ["devices", "list"], ["token", "create", "x"],
            ["login", address, "--fingerprint", fingerprint, "--token-file", file],
            ["login", address, "--token-file", file],
        ] {
            let refused = try await site.martlet(arguments, expecting: 76)
            #expect(!refused.errors.contains(secret), "\(refused)")
        }
        #expect(!attacker.read.contains(secret), "the token was told to the attacker")
        try await attacker.stop()
        try await site.stopRegistry()
    }

    private func rollOut(_ site: Site, _ version: String, slot: String = Self.slot) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/base:\(version)", "--selector", "site=berlin", "--slot", slot, "--soak", "0s")
    }
}
