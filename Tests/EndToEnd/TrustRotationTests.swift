import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Keys change while devices run, and while one is switched off; afterwards both install a new release.
@Suite("Rotation of trust", .serialized)
struct TrustRotationTests {
    @Test("root, targets, snapshot and timestamp get other keys")
    func roles() async throws {
        try await withFleet("roles") { fleet in
            let before = try await fleet.site.json(RegistryStatus.self, "status").metadataVersions
            for role in ["root", "targets", "snapshot", "timestamp"] {
                try await fleet.trust("rotate", role)
            }
            let after = try await fleet.site.json(RegistryStatus.self, "status").metadataVersions
            #expect(after["root"] == (before["root"] ?? 0) + 4)
            #expect(after["targets"] == (before["targets"] ?? 0) + 1)
            // The former key of root signs nothing any more.
            let former = fleet.keys + "/root.pem"
            let refused = try await fleet.site.martlet(
                ["trust", "renew", "--root-key", former, "--within", "400d"], expecting: 65)
            #expect(refused.errors.contains("does not sign for root"), "\(refused.errors)")
            try await fleet.comesBack()
            try await fleet.install("2.0.0")
        }
    }

    @Test("a namespace needs two of three, a key of it is revoked, and one key alone publishes nothing")
    func namespace() async throws {
        try await withFleet("space") { fleet in
            let site = fleet.site
            var keyIDs: [String: String] = [:]
            for name in ["bob", "carol"] {
                let made = try await site.martlet(
                    "trust", "key", fleet.keys + "/\(name).pem", "--make", "--no-passphrase", "--public-key",
                    fleet.keys + "/\(name).pub")
                keyIDs[name] = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            let change = try await site.martlet(
                "trust", "rotate", "clinic", "--add-key", fleet.keys + "/bob.pub", "--add-key",
                fleet.keys + "/carol.pub", "--threshold", "2", "--key", fleet.keys + "/targets.pem", "--key",
                fleet.keys + "/clinic.pem")
            // One publisher has signed: the change waits for another.
            let waiting = try #require(change.output.firstMatch(of: /p-[0-9a-f]+/)).output
            try await site.martlet(
                "trust", "sign", String(waiting), "--key", fleet.keys + "/bob.pem", "--yes")
            let pending = try await fleet.publish("2.0.0")
            #expect(pending.output.contains("1 of 2 signatures"), "\(pending.output)")
            try await site.martlet(
                ["rollout", "start", "clinic/base:2.0.0", "--fleet", "wards", "--slot", "triage"], expecting: 65)
            try await site.martlet("sign", "clinic/base:2.0.0", "--key", fleet.keys + "/bob.pem")
            try await fleet.comesBack()
            try await fleet.rollOut("2.0.0")

            try await site.martlet(
                "trust", "revoke", "clinic", String((keyIDs["bob"] ?? "").prefix(12)), "--key",
                fleet.keys + "/targets.pem", "--key", fleet.keys + "/clinic.pem", "--key", fleet.keys + "/carol.pem")
            _ = try await fleet.publish("3.0.0")
            let refused = try await site.martlet(
                ["sign", "clinic/base:3.0.0", "--key", fleet.keys + "/bob.pem"], expecting: 65)
            #expect(refused.errors.contains("sign no part of this change"), "\(refused.errors)")
            try await site.martlet("sign", "clinic/base:3.0.0", "--key", fleet.keys + "/carol.pem")
            try await fleet.rollOut("3.0.0")
        }
    }

    @Test("many publishers at once into one bin lose nothing of each other's releases")
    func concurrent() async throws {
        let site = try Site("many")
        try await site.startRegistry()
        try await site.initializeTrust()
        let model = Checkout.fixture("models/tiny/tiny-v1.Q4_0.gguf")
        // The weights are there already, so that all come to signing at about the same time.
        try await site.martlet("publish", model, "--as", "clinic/base:0.1.0")
        let versions = Self.versionsInOneBin(count: 10)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for version in versions {
                group.addTask { try await site.martlet("publish", model, "--as", "clinic/base:\(version)") }
            }
            try await group.waitForAll()
        }
        let releases = try await site.json([ReleaseInfo].self, "releases", "list")
        #expect(Set(releases.map(\.path.version.text)) == Set(versions + ["0.1.0"]))
        #expect(releases.allSatisfy { $0.state == .published })
        // What devices would find is what the registry lists: the same again changes nothing, verified.
        let again = try await site.martlet("publish", model, "--as", "clinic/base:\(versions[0])")
        #expect(again.output.contains("Unchanged"), "\(again.output)")
        try await site.stopRegistry()
    }

    /// Versions of `clinic/base` whose paths begin with the same bits when hashed, so that one hash bin holds them.
    private static func versionsInOneBin(count: Int) -> [String] {
        var found: [UInt8: [String]] = [:]
        for number in 1... {
            let version = "1.\(number).0"
            let first = Hex.decode(Digest.of(Array("clinic/base/\(version)".utf8)).hex)?.first ?? 0
            found[first, default: []].append(version)
            if let versions = found[first], versions.count == count { return versions }
        }
        return []
    }

    @Test("the director's key is rotated with an overlap, and the former one is gone from the registry")
    func director() async throws {
        try await withFleet("direc") { fleet in
            let former = try Data(contentsOf: URL(fileURLWithPath: fleet.site.registryData + "/keys/director.pem"))
            try await fleet.trust("rotate", "director")
            try await fleet.install("2.0.0", on: ["ward-1"])
            try await fleet.trust("rotate", "director", "--finish")
            let key = try Data(contentsOf: URL(fileURLWithPath: fleet.site.registryData + "/keys/director.pem"))
            #expect(key != former)
            let names = try FileManager.default.contentsOfDirectory(atPath: fleet.site.registryData + "/keys")
            #expect(!names.contains { $0.contains("next") })
            try await fleet.install("3.0.0", on: ["ward-1"])
            try await fleet.comesBack()
            try await fleet.install("4.0.0")
        }
    }

    @Test("a stolen director's key is replaced at once, without an overlap")
    func stolenDirector() async throws {
        try await withFleet("stole") { fleet in
            try await fleet.trust("rotate", "director", "--finish")
            try await fleet.comesBack()
            try await fleet.install("2.0.0")
        }
    }

    @Test("the certificate authority is rotated; devices get certificates of the new one, the one that was off too")
    func authority() async throws {
        try await withFleet("autho") { fleet in
            let former = try fleet.identities()
            try await fleet.trust("rotate", "authority")
            try await fleet.install("2.0.0", on: ["ward-1"])
            try await fleet.trust("rotate", "authority", "--finish")
            let files = try FileManager.default.contentsOfDirectory(atPath: fleet.site.registryData + "/keys")
            #expect(files.contains { $0.hasPrefix("authority-former-") } && !files.contains { $0.contains("next") })
            try await fleet.install("3.0.0", on: ["ward-1"])
            try await fleet.comesBack()
            try await fleet.install("4.0.0")
            try await eventually(within: 60, "both devices have certificates of the new authority") {
                let now = try fleet.identities()
                return now.allSatisfy { name, identity in
                    identity.certificate != former[name]?.certificate && identity.authorities.count == 1
                        && identity.authorities != former[name]?.authorities
                }
            }
        }
    }

    @Test("the registry moves: who runs turns to the new address, who was off follows from the old one")
    func addresses() async throws {
        try await withFleet("addrs") { fleet in
            let site = fleet.site
            let old = try #require(try fleet.identities()["ward-1"]?.registry)
            let port = try #require(old.split(separator: ":").last)
            let second = "https://localhost:\(port)"
            try await fleet.trust("addresses", second, old)
            try await fleet.install("2.0.0", on: ["ward-1"])
            // ward-2 comes back while the old address still answers, and learns of the others.
            try await fleet.comesBack()
            let freePort = try Self.freePort()
            let third = "https://127.0.0.1:\(freePort)"
            try await fleet.trust("addresses", second, old, third)
            try await fleet.install("3.0.0")
            try await site.stopRegistry()
            try await site.startRegistry(["--device-address", "127.0.0.1:\(freePort)"])
            try await eventually(within: 120, "both devices turned to the new address") {
                try fleet.identities().values.allSatisfy { $0.registry == third }
            }
            try await fleet.trust("addresses", third)
            try await fleet.install("4.0.0")
        }
    }

    /// A port of loopback that nobody listens on now.
    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isBound)
        return UInt16(bigEndian: address.sin_port)
    }

    /// A registry, one device that runs and one that was switched off, both with release 1.0.0.
    ///
    /// `name` has at most five letters: paths of sockets below it are near their limit.
    private func withFleet(_ name: String, _ body: (RotationFleet) async throws -> Void) async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let fleet = RotationFleet(site: try Site(name))
        try await fleet.start()
        try await body(fleet)
        try await fleet.stop()
    }
}
