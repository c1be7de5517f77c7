import DeviceProfiles
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

/// Whatever stands in place of a file, the probe ends, stays small, and says what was wrong.
@Suite("Hostile trees")
struct HostileTreeTests {
    /// What takes the place of a file.
    enum Replacement: CaseIterable {
        case folder, loop, pipe, huge, negative, enormous, manyNumbers, bytes, longLine, endless, nothing

        func put(at path: String, _ random: inout SeededGenerator) throws {
            try? FileManager.default.removeItem(atPath: path)
            switch self {
            case .folder: try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            case .loop: symlink(path, path)
            case .pipe: mkfifo(path, 0o600)
            case .endless: symlink("/dev/zero", path)
            case .nothing: break
            case .huge: try Data(repeating: UInt8(ascii: "9"), count: 1_100_000).write(to: URL(fileURLWithPath: path))
            case .negative: try text("-9223372036854775808\n", path)
            case .enormous: try text("18446744073709551615\n", path)
            case .manyNumbers:
                try text(
                    String(repeating: "0x7fffffffffffffff 9223372036854775807 max 0-1048575,-5\n", count: 50), path)
            case .bytes:
                let bytes = (0..<500).map { _ in UInt8.random(in: 0...255, using: &random) }
                try Data(bytes).write(to: URL(fileURLWithPath: path))
            case .longLine: try text(String(repeating: "a:b=c 1 kB,", count: 20_000), path)
            }
        }

        private func text(_ text: String, _ path: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        }
    }

    @Test("each file of each tree in turn is replaced by something wrong", arguments: HardwareTree.names)
    func replaced(name: String) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder("hostile")
        try HardwareTree.unpack(name, to: folder)
        let paths = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        let files = paths.filter { (try? FileManager.default.contentsOfDirectory(atPath: folder.file($0))) == nil }
        let tool: ProbeCommand = { _, _ in "9,9,99999999999999999999,9\n-1\n,,,\n" }
        for file in files.sorted() {
            let path = folder.file(file)
            let before = try? Data(contentsOf: URL(fileURLWithPath: path))
            for replacement in Replacement.allCases.shuffled(using: &random).prefix(2) {
                try replacement.put(at: path, &random)
                let facts = HardwareProbe(root: folder.path, command: tool).facts()
                #expect(facts.problems.count <= DeviceProfilesLimits.problems)
                let size = try JSONText.encode(facts).count
                #expect(size < 128 * 1024, "\(size) bytes with \(file) as \(replacement), seed \(seed)")
                try judge(facts)
            }
            try? FileManager.default.removeItem(atPath: path)
            if let before { try before.write(to: URL(fileURLWithPath: path)) }
        }
    }

    /// What decides by such facts does not fail on them either.
    private func judge(_ facts: HardwareFacts) throws {
        guard let profile = try? ProfileCatalog.embedded().match(facts) else { return }
        #expect(profile.engineThreads(cores: facts.cpu.usableCores) >= 1)
        #expect(profile.memoryRoom(facts.memory) >= .zero)
        _ = facts.storage.map { profile.diskRoom($0) }
        _ = profile.thermalState(facts.thermalZones)
    }

    @Test("facts that a device made up end in a choice, not in a trap")
    func reported() throws {
        let numbers: [Int64] = [.min, -1, 0, 1, .max]
        let profiles = try ProfileCatalog.embedded().profiles
        for total in numbers {
            for used in numbers {
                var facts = HardwareFacts(architecture: "arm64")
                facts.memory = .init(
                    total: ByteCount(total), available: ByteCount(used), cgroupLimit: ByteCount(total),
                    cgroupUsed: ByteCount(used))
                facts.memory.cgroupAvailable = ByteCount(used)
                facts.cpu = .init(cores: Int(total))
                facts.cpu.quotaMilliCores = Int(used)
                facts.thermalZones = [.init(name: "cpu-thermal", milliCelsius: Int(used))]
                let storage = HardwareFacts.Storage(path: "/", total: ByteCount(total), free: ByteCount(used))
                for profile in profiles {
                    let room = profile.memoryRoom(facts.memory, otherSlots: ByteCount(used))
                    #expect(room >= .zero && profile.diskRoom(storage) >= .zero)
                    #expect(profile.engineThreads(cores: facts.cpu.usableCores) >= 1)
                    _ = profile.thermalState(facts.thermalZones)
                    _ = profile.match.mismatch(facts)
                    _ = VariantChoice.choose(
                        [], facts: facts, profile: profile, freeMemory: ByteCount(used), freeDisk: ByteCount(total),
                        engines: [:])
                }
            }
        }
    }

    @Test("wear, limits and lists that no device has are noted, not believed")
    func absurd() throws {
        let files = [
            "/proc/self/mountinfo": "28 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n",
            "/sys/block/mmcblk0/device/life_time": "0xfffffffffffffff 0x7fffffffffffffff",
            "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/cpu.max": "-5 0\n",
            "/sys/fs/cgroup/a/memory.max": "-1\n", "/sys/devices/system/cpu/online": "0-99999999\n",
            "/sys/class/thermal/thermal_zone0/temp": "-274000\n",
        ]
        let facts = try HardwareTree.facts(files)
        #expect(facts.storage.first?.wearPercent == nil && facts.cpu.quotaMilliCores == nil)
        #expect(facts.memory.cgroupLimit == nil && facts.cpu.cores == nil && facts.thermalZones.isEmpty)
        let named = facts.problems.map(\.path)
        for path in files.keys where !["/proc/self/mountinfo", "/proc/self/cgroup"].contains(path) {
            let parent = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
            let isNamed = named.contains(path) || named.contains(parent)
            #expect(isNamed || path.hasSuffix("memory.max"), "\(path) is not named in \(named)")
        }
    }
}
