import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Weights that are not what their publisher signed, at the moment when the agent looks into them.
@Suite("Weights that are looked into", .serialized)
struct WeightCheckTests {
    private static let slot = "triage"

    @Test("are read confined; one that rotted is fetched again, one that brings its reader down refused, and no more")
    func hostile() async throws {
        try await Site.ready("wc") { site in
            let device = try await site.startDevice("w1", engine: #", "confine": "required""#)
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            try await rollOut(site, "clinic/base:1.0.0")

            // A disk that lies: a file that was there before has other bytes than those that were hashed, and as many.
            // The release is not to blame for that.
            let sound = try Data(contentsOf: URL(fileURLWithPath: StoryTests.tiny("tiny-v2.Q8_0.gguf")))
            try await site.martlet("publish", StoryTests.tiny("tiny-v2.Q8_0.gguf"), "--as", "clinic/base:2.0.0")
            var bad = sound
            bad.replaceSubrange(16..<24, with: Data(repeating: 0xff, count: 8))
            try bad.write(to: URL(fileURLWithPath: blob(device, sound)))
            try await rollOut(site, "clinic/base:2.0.0")
            #expect(try Data(contentsOf: URL(fileURLWithPath: blob(device, sound))) == sound)
            try await eventually(within: 60, "it is told") {
                let reports = try await site.json([DeviceReport].self, "devices", "reports", "w1")
                return reports.contains { $0.code == "blobRotten" }
            }

            // One that takes seconds to read, so that its reader can be looked at, and then crashes as if by its fault.
            let slow = site.folder.file("slow.gguf")
            try Self.slow(sound).write(to: URL(fileURLWithPath: slow))
            try await site.martlet("publish", slow, "--as", "clinic/base:3.0.0")
            let rollout = try await site.json(
                RolloutInfo.self, "rollout", "start", "clinic/base:3.0.0", "--selector", "", "--slot", Self.slot,
                "--soak", "0s")
            let path = try blob(device, Data(contentsOf: URL(fileURLWithPath: slow)))
            let reader = try await reader(of: path)
            try lookAt(reader, parent: device.process.pid)
            kill(reader, SIGSEGV)
            kill(reader, SIGCONT)
            try await eventually(within: 120, "the registry learns it") {
                let info = try await site.json(RolloutInfo.self, "rollout", "show", rollout.id.text)
                return info.devices?.first?.code == "weightCheckFailed"
            }
            try await site.waitUntilServing("w1", Self.slot, "clinic/base:2.0.0")
            #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200)
            #expect(device.process.isRunning)
            #expect(try await device.process.stop() == 0)
        }
    }

    @discardableResult
    private func rollOut(_ site: Site, _ release: String, expecting: Int32 = 0) async throws -> Finished {
        try await site.martlet(
            ["rollout", "start", release, "--selector", "", "--slot", Self.slot, "--soak", "0s", "--wait"],
            expecting: expecting)
    }

    /// Where a device keeps a blob.
    private func blob(_ device: Site.Device, _ bytes: Data) -> String {
        device.data + "/blobs/sha256/" + Digest.of(Array(bytes)).hex
    }

    /// The same model with a list of a million empty words, which nobody asks for; the rest keeps its alignment.
    private static func slow(_ model: Data) -> Data {
        func number<N: FixedWidthInteger>(_ number: N) -> Data { withUnsafeBytes(of: number.littleEndian) { Data($0) } }
        let words: UInt64 = 1_000_000
        let entries = model[16..<24].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let name = Data("x.filler".utf8)
        let entry = number(UInt64(name.count)) + name + number(UInt32(9)) + number(UInt32(8)) + number(words)
        return model[..<16] + number(entries + 1) + entry + Data(count: Int(words) * 8) + model[24...]
    }

    /// The process that reads a blob, stopped where it stands.
    private func reader(of path: String) async throws -> Int32 {
        try await eventually(within: 120, "somebody reads \(path)") {
            guard let found = try Self.reading(path) else { return false }
            return kill(found, SIGSTOP) == 0
        }
        return try #require(try Self.reading(path))
    }

    private static func reading(_ path: String) throws -> Int32? {
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            guard let number = Int32(name), let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline")
            else { continue }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            if words == ["martlet-agent", "check-weights", path] { return number }
        }
        return nil
    }

    /// What the kernel says of the reader.
    private func lookAt(_ reader: Int32, parent: Int32) throws {
        let status = try KernelFile.text("/proc/\(reader)/status")
        #expect(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "\(status)")
        #expect(status.contains("PPid:\t\(parent)\n"), "\(status)")
        for line in status.split(separator: "\n") where line.hasPrefix("Cap") && !line.hasPrefix("CapBnd") {
            let set = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
            // The second is that of opening files whatever their modes: which, the confinement says.
            #expect(set.map { $0 & ~(1 << 1) } == 0, "\(line)")
        }
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(reader)/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(reader)/fd/\($0)")
        }
        #expect(!open.isEmpty && !open.contains { $0.hasPrefix("socket:") || $0.contains("/identity/") }, "\(open)")
        #expect(try KernelFile.text("/proc/\(reader)/limits").contains("Max data size             536870912"))
    }
}
