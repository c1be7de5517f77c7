import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// docs/security.md, the row "malformed input": files that somebody made, given to the command line and to an agent
/// that serves, and requests at its own doors.
@Suite("Malformed files", .serialized)
struct MalformedFileTests {
    /// What an agent may have taken of memory at its worst moment in a debug build.
    private static let agentPeak = 192 << 20

    @Test("are refused by name by the command line, and nothing of them is published")
    func publishing() async throws {
        try await Site.ready("badfile") { site in
            let sound = try Data(contentsOf: URL(fileURLWithPath: StoryTests.tiny("tiny-v1.Q4_0.gguf")))
            /// The file with a number in place of what stands at an offset.
            func patched(_ offset: Int, _ value: UInt64, bytes: Int = 8) -> Data {
                var copy = sound
                for index in 0..<bytes {
                    copy[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))
                }
                return copy
            }
            // Magic, version, number of tensors, number of values, length of the first name.
            let models: [(says: String, data: Data)] = [
                ("magic at byte 0", Data()), ("magic at byte 0", Data([0x50, 0x4b, 3, 4]) + sound.dropFirst(4)),
                ("big-endian", patched(4, 0x0300_0000, bytes: 4)), ("version 99", patched(4, 99, bytes: 4)),
                ("n_tensors at byte 8", patched(8, .max)), ("n_kv at byte 16", patched(16, .max)),
                ("key.length at byte 24", patched(24, 1 << 62)), ("bytes that are left", sound.prefix(1000)),
                ("the file has", sound.prefix(sound.count / 2)),
            ]
            let file = site.folder.file("model.gguf")
            for (says, data) in models {
                try data.write(to: URL(fileURLWithPath: file))
                let refused = try await site.martlet(
                    ["publish", file, "--as", "clinic/evil:1.0.0", "--output", "json"], expecting: 65)
                #expect(refused.errors.contains("malformedModel") && refused.errors.contains(says), "\(refused.errors)")
            }
            let good = StoryTests.tiny("tiny-v1.Q4_0.gguf")
            for option in ["--eval", "--probes"] {
                for text in ["{", "\u{0}\u{1}", String(repeating: "[", count: 100_000)] {
                    try text.write(toFile: file, atomically: true, encoding: .utf8)
                    let refused = try await site.martlet(
                        ["publish", good, "--as", "clinic/evil:1.0.0", option, file], expecting: 65)
                    #expect(refused.errors.contains(file), "\(option): \(refused.errors)")
                }
            }
            for archive in try await HostileArchive.all(in: site.folder) {
                let refused = try await site.importBundle(archive.path)
                #expect((64...78).contains(refused.status) && !refused.errors.isEmpty, "\(archive.what): \(refused)")
                #expect(try HostileArchive.escaped(site.folder) == [], "\(archive.what)")
            }
            #expect(try await site.json([ReleaseInfo].self, "releases", "list").isEmpty)
        }
    }

    @Test("given to an agent that serves change nothing on its disk, nor do malformed requests at its own doors")
    func agent() async throws {
        try await Site.ready("bx") { site in
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            let device = try await site.startDevice("w1", policy: #", "offlineInstall": "allowed""#)
            try await site.martlet(
                "rollout", "start", "clinic/base:1.0.0", "--selector", "site=berlin", "--slot", "triage", "--soak",
                "0s", "--wait")
            let bundle = site.folder.file("bundle.tar")
            try await site.martlet("export", "clinic/base:1.0.0", "--valid", "2d", "--to", bundle)
            let before = StoryTests.files(under: device.data + "/blobs").sorted()
            for archive in try await HostileArchive.all(in: site.folder, from: bundle) {
                let refused = try await site.install("w1", ["--from", archive.path, "--slot", "evil"])
                #expect((64...78).contains(refused.status), "\(archive.what): \(refused)")
                #expect(refused.errors.contains("[") && refused.errors.contains("]"), "\(archive.what): \(refused)")
                #expect(try HostileArchive.escaped(site.folder) == [], "\(archive.what)")
            }
            let port = Int(device.gateway.split(separator: ":").last ?? "") ?? 0
            for (what, bytes) in MalformedBytes.http {
                let answer = String(decoding: try RawSocket.exchange(port, bytes, seconds: 20), as: UTF8.self)
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(what): \(answer.prefix(200))")
            }
            for (what, bytes) in MalformedBytes.json {
                let file = site.folder.file("body")
                try Data(bytes).write(to: URL(fileURLWithPath: file))
                let answer = try await Curl.get(
                    device.gateway + "/v1/chat/completions", "-H", "Content-Type: application/json", "--data-binary",
                    "@" + file)
                #expect((400..<500).contains(answer.status), "\(what): \(answer)")
            }
            try await control(site, device)
            #expect(StoryTests.files(under: device.data + "/blobs").sorted() == before)
            #expect(try DataFolder(path: device.data).slots().map(\.slot) == ["triage"])
            #expect(try await Chat.ask(device.gateway, model: "triage", "hello") == 200)
            let peak = try MalformedInputTests.peak(device.process.pid)
            #expect(peak < Self.agentPeak, "\(peak >> 20) MiB")
            #expect(try await device.process.stop() == 0)
        }
    }

    /// Whoever may speak to the agent may say what it does not understand.
    private func control(_ site: Site, _ device: Site.Device) async throws {
        let script = """
            import socket, sys
            lines = [b'\\n', b'{', b'\\0' * 70000, b'[' * 60000 + b'\\n', b'{"command":"evil"}\\n', b'\\xff\\xfe\\n']
            for line in lines:
                with socket.socket(socket.AF_UNIX) as one:
                    one.settimeout(20)
                    one.connect(sys.argv[1])
                    try:
                        one.sendall(line)
                        one.shutdown(socket.SHUT_WR)
                        print(one.recv(4096))
                    except OSError as error: print(error)
            """
        let file = site.folder.file("control.py")
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        let said = try await run("/usr/bin/python3", [file, device.data + "/run/control.sock"])
        #expect(said.status == 0 && !said.output.contains("serving"), "\(said)")
        let status = try await run(Checkout.product("martlet-agent"), ["status", "--data", device.data])
        #expect(status.status == 0 && status.output.contains("triage"), "\(status)")
    }
}
