import Foundation
import MartletTypes
import TestSupport
import Testing

extension Site {
    /// A base and an adapter of it, both 1.0.0.
    func publishLine() async throws {
        try await martlet("publish", OfflineTests.model, "--as", "clinic/base:1.0.0")
        try await martlet(
            "publish", StoryTests.tiny("tiny-lora-v1.gguf"), "--as", "clinic/triage:1.0.0", "--adapter-of",
            "clinic/base:1.0.0", "--eval", StoryTests.seen, "--min-accuracy", "0.95")
    }

    /// Runs `martlet export`, which may fail.
    func export(_ arguments: [String]) async throws -> Finished {
        try await run(Checkout.product("martlet"), ["export"] + arguments, environment: operatorEnvironment)
    }

    /// Runs `martlet import`, which may fail.
    func importBundle(_ file: String) async throws -> Finished {
        try await run(Checkout.product("martlet"), ["import", file], environment: operatorEnvironment)
    }

    /// Runs `martlet-agent install` on a device, which may fail.
    func install(_ device: String, _ arguments: [String]) async throws -> Finished {
        try await run(
            Checkout.product("martlet-agent"), ["install", "--data", folder.file("devices/" + device)] + arguments)
    }

    /// Removes the largest blob of a device from its disk; who has it open keeps it.
    func forgetWeights(_ device: String) throws {
        let blobs = folder.file("devices/\(device)/blobs/sha256")
        let files = try FileManager.default.contentsOfDirectory(atPath: blobs).map { blobs + "/" + $0 }
        let largest = try files.max { try Self.size($0) < Self.size($1) }
        try FileManager.default.removeItem(atPath: try #require(largest))
    }

    static func size(_ file: String) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
    }

    /// Puts an empty registry with the same online keys in the place of the one that runs, at the same addresses.
    func replaceRegistry() async throws {
        try await stopRegistry()
        let (files, former) = (FileManager.default, folder.file("registry-former"))
        try files.moveItem(atPath: registryData, toPath: former)
        try files.createDirectory(atPath: registryData, withIntermediateDirectories: true)
        try files.copyItem(atPath: former + "/keys", toPath: registryData + "/keys")
        try files.removeItem(atPath: folder.file("admin.token"))
        try await startRegistry()
        try await martlet("login", operatorAddress, "--token-file", folder.file("admin.token"))
    }
}

/// Bundles that somebody has changed.
struct HostileBundle {
    private let site: Site
    private let bundle: String

    init(_ site: Site, _ bundle: String) {
        self.site = site
        self.bundle = bundle
    }

    /// One byte of the largest blob is another.
    func withBlob() async throws -> String {
        try await changed("blob") { folder, names in
            let blobs = names.filter { $0.hasPrefix("blobs/sha256/") }
            let largest = try blobs.max { try Site.size("\(folder)/\($0)") < Site.size("\(folder)/\($1)") }
            try flip("\(folder)/\(try #require(largest))")
        }
    }

    /// One byte of a release's index is another.
    func withIndex() async throws -> String {
        try await changed("index") { folder, names in
            try flip("\(folder)/\(try #require(names.first { $0.hasPrefix("blobs/sha256/") }))")
        }
    }

    /// A publisher's bin names another length.
    func withMetadata() async throws -> String {
        try await changed("metadata") { folder, names in
            for name in names where name.contains("-bin-") {
                let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
                try text.replacing(#""length":"#, with: #""length":1"#)
                    .write(toFile: "\(folder)/\(name)", atomically: false, encoding: .utf8)
            }
        }
    }

    /// The timestamp ended yesterday, rightly signed: whoever has the registry's key makes it.
    func ended() async throws -> String {
        let key = site.registryData + "/keys/timestamp.pem"
        return try await changed("ended") { folder, _ in
            let path = folder + "/tuf/timestamp.json"
            let envelope = try JSONValue(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: path))))
            var signed = try #require(envelope["signed"]?.object)
            let yesterday = Date(timeIntervalSinceNow: -86_400).formatted(.iso8601)
            signed["expires"] = .string(yesterday)
            let bytes = try CanonicalJSON.encode(JSONValue.object(signed))
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/signed"))
            let made = try await run(
                "/usr/bin/openssl",
                ["pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", folder + "/signed", "-out", folder + "/signature"])
            #expect(made.status == 0, "\(made.errors)")
            let signature = Hex.encode(Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/signature"))))
            let keyID = try #require(envelope["signatures"]?.array?.first?["keyid"]?.string)
            let text =
                #"{"signatures":[{"keyid":"\#(keyID)","sig":"\#(signature)"}],"signed":"#
                + String(decoding: bytes, as: UTF8.self) + "}"
            try text.write(toFile: path, atomically: false, encoding: .utf8)
        }
    }

    /// The second half is missing.
    func cut() async throws -> String {
        let file = site.folder.file("cut.tar")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: bundle))
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: file))
        return file
    }

    /// Unpacks the bundle, lets `change` at it, and packs it again in the same order.
    private func changed(
        _ name: String, _ change: (_ folder: String, _ names: [String]) async throws -> Void
    ) async throws -> String {
        let folder = site.folder.file("hostile-" + name)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let list = try await run("/usr/bin/tar", ["-tf", bundle]).output
        _ = try await run("/usr/bin/tar", ["-C", folder, "-xf", bundle])
        try await change(folder, list.split(separator: "\n").map(String.init))
        let names = site.folder.file("hostile-\(name).names")
        try list.write(toFile: names, atomically: false, encoding: .utf8)
        let file = site.folder.file("hostile-\(name).tar")
        let packed = try await run(
            "/usr/bin/tar", ["--format=ustar", "-C", folder, "--no-recursion", "-T", names, "-cf", file])
        #expect(packed.status == 0, "\(packed.errors)")
        return file
    }

    private func flip(_ file: String) throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        bytes[bytes.count / 2] ^= 0x20
        try bytes.write(to: URL(fileURLWithPath: file))
    }
}
