import DeviceProfiles
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("Hardware probe")
struct HardwareProbeTests {
    @Test("wrong files cost their own fact and are named")
    func broken() throws {
        let facts = try HardwareTree.board("broken")
        #expect(facts.architecture == "unknown")
        #expect(facts.memory.total == nil)
        #expect(facts.memory.available == ByteCount(1024 * 1024))
        #expect(facts.thermalZones == [.init(name: "board", milliCelsius: 41_000)])
        #expect(facts.powerSupplies == [.init(name: "BAT1", type: "Battery")])
        #expect(facts.throttled == nil)
        #expect(facts.distribution == nil)
        let named = Set(facts.problems.map(\.path))
        for path in [
            "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu/online", "/proc/device-tree/model",
            "/etc/os-release", "/sys/class/thermal/thermal_zone0/temp", "/sys/class/thermal/thermal_zone1/temp",
            "/sys/devices/platform/soc/soc:firmware/get_throttled", "/sys/fs/cgroup/a/memory.max",
            "/proc/sys/kernel/osrelease",
        ] {
            #expect(named.contains(path), "\(path) is not named in \(named)")
        }
    }

    @Test("an empty root gives facts that say what is missing")
    func empty() throws {
        let facts = try HardwareTree.facts([:])
        #expect(facts.architecture == "unknown")
        #expect(facts.problems.map(\.path).contains("/proc/meminfo"))
        #expect(HardwareProbe(root: "/nonexistent").facts().problems.isEmpty == false)
    }

    @Test("this machine has memory, a processor and a disk")
    func here() {
        let facts = HardwareProbe().facts()
        #expect(facts.architecture == HardwareProbe.ownArchitecture)
        #expect((facts.memory.total ?? .zero) > .mebibytes(64))
        #expect((facts.cpu.cores ?? 0) > 0)
        #expect((facts.storage.first?.free ?? .zero) > .zero)
    }

    @Test(
        "the least limit of the groups above counts",
        arguments: [
            (["/sys/fs/cgroup/a/b/memory.max": "max", "/sys/fs/cgroup/a/memory.max": "max"], nil),
            (["/sys/fs/cgroup/a/b/memory.max": "2097152", "/sys/fs/cgroup/a/memory.max": "max"], 2_097_152),
            (["/sys/fs/cgroup/a/b/memory.max": "2097152", "/sys/fs/cgroup/a/memory.max": "1048576"], 1_048_576),
            (["/sys/fs/cgroup/a/b/memory.max": "9223372036854771712"], nil),
            (["/sys/fs/cgroup/a/b/memory.max": "18446744073709551615"], nil),
            (["/sys/fs/cgroup/a/b/memory.max": "0"], nil),
        ] as [([String: String], Int64?)])
    func groups(files: [String: String], limit: Int64?) throws {
        var files = files
        files["/proc/self/cgroup"] = "0::/a/b\n"
        files["/proc/meminfo"] = "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n"
        let memory = try HardwareTree.facts(files).memory
        #expect(memory.cgroupLimit?.bytes == limit)
        #expect(memory.usableTotal?.bytes == limit ?? 1_073_741_824)
    }

    @Test("what a group has used is no longer available")
    func groupUsage() throws {
        let memory = try HardwareTree.facts([
            "/proc/self/cgroup": "4:memory:/docker/x\n",
            "/proc/meminfo": "MemTotal: 1048576 kB\nMemAvailable: 900000 kB\n",
            "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "268435456",
            "/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": "100000000",
        ]).memory
        #expect(memory.usableAvailable?.bytes == 168_435_456)
    }

    @Test(
        "disks are told apart",
        arguments: [
            ("/dev/nvme0n1p2", "nvme0n1", [:], HardwareFacts.Storage.Kind.nvme),
            ("/dev/sda1", "sda", ["queue/rotational": "1"], .disk),
            ("/dev/sda1", "sda", ["queue/rotational": "0"], .ssd),
            ("/dev/mmcblk0p1", "mmcblk0", ["device/type": "MMC", "device/life_time": "0x03 0x01"], .emmc),
            ("overlay", "sda", [:], .unknown), ("/dev/dm-0", "sda", [:], .unknown),
        ])
    func disks(source: String, disk: String, files: [String: String], kind: HardwareFacts.Storage.Kind) throws {
        var tree = ["/proc/self/mountinfo": "28 1 8:1 / / rw - ext4 \(source) rw\n", "/sys/block/\(disk)/size": "1"]
        for (name, text) in files { tree["/sys/block/\(disk)/\(name)"] = text }
        let storage = try #require(try HardwareTree.facts(tree).storage.first)
        #expect(storage.kind == kind)
        #expect(storage.wearPercent == (kind == .emmc ? 30 : nil))
    }

    @Test(
        "accelerators are found by what the kernel shows",
        arguments: [
            (["/proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t NVIDIA RTX A2000\nIRQ: 1\n"], "nvidia"),
            (["/sys/class/hailo_chardev/hailo0/uevent": ""], "hailo"), (["/sys/class/apex/apex_0/uevent": ""], "coral"),
            (["/sys/class/drm/renderD128/device/vendor": "0x8086\n"], "intel"),
            (["/sys/class/drm/renderD129/device/vendor": "0x1002\n"], "amd"),
            (["/sys/bus/platform/drivers/RKNPU/fdab0000.npu/uevent": ""], "rockchip"),
        ])
    func accelerators(files: [String: String], vendor: String) throws {
        #expect(try HardwareTree.facts(files).accelerators.map(\.vendor) == [vendor])
    }

    /// Written from documentation, not recorded: `Documentation/accel/introduction.rst`, and what the drivers
    /// `drivers/accel/{ivpu,amdxdna,rocket}` register and their PCI tables or device tree bindings name.
    @Test(
        "neural processors of the kernel's class for them are found, by driver, by bus number, or as unknown",
        arguments: [
            ("intel_vpu", "0x8086", "0x7d1d", "intel"), ("amdxdna", "0x1022", "0x1502", "amd"),
            ("rocket", nil, nil, "rockchip"), ("a_new_one", "0x17cb", "0xa100", "qualcomm"),
            ("a_new_one", nil, nil, "unknown"), (nil, "0x8086", "0xb03e", "intel"),
        ] as [(String?, String?, String?, String)])
    func accelClass(_ driver: String?, _ number: String?, _ product: String?, _ vendor: String) throws {
        let folder = try TemporaryFolder("hardware")
        var files = ["/sys/class/accel/accel0/dev": "261:0\n", "/sys/class/accel/accel0/device/uevent": ""]
        files["/sys/class/accel/accel0/device/vendor"] = number.map { $0 + "\n" }
        files["/sys/class/accel/accel0/device/device"] = product.map { $0 + "\n" }
        try HardwareTree.write(files, to: folder)
        if let driver {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/sys/class/accel/accel0/device/driver",
                withDestinationPath: "../../../bus/pci/drivers/\(driver)")
        }
        let found = try #require(HardwareProbe(root: folder.path).facts().accelerators.first)
        let id = number.flatMap { number in product.map { "\(number.dropFirst(2)):\($0.dropFirst(2))" } }
        #expect(found == .init(kind: .npu, vendor: vendor, name: "accel0", driver: driver ?? "accel", id: id))
    }

    /// Written from documentation: the PCI number of Coral's Edge TPU is that of its driver `gasket`/`apex`.
    @Test("an Edge TPU on PCI is found without its driver, and once with it")
    func coral() throws {
        let bus = [
            "/sys/bus/pci/devices/0000:01:00.0/vendor": "0x1ac1\n",
            "/sys/bus/pci/devices/0000:01:00.0/device": "0x089a\n",
        ]
        #expect(try HardwareTree.facts(bus).accelerators == [.init(kind: .npu, vendor: "coral", id: "1ac1:089a")])
        let both = bus.merging(["/sys/class/apex/apex_0/uevent": ""]) { $1 }
        #expect(try HardwareTree.facts(both).accelerators.map(\.name) == ["apex_0"])
    }

    /// Written from documentation: the flags of Sapphire Rapids as `arch/x86/include/asm/cpufeatures.h` spells them.
    @Test("AMX is seen by its three flags, and chooses its profile")
    func amx() throws {
        let flags = "fpu sse4_2 avx avx2 fma avx512f avx512bw avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8"
        let facts = try HardwareTree.facts([
            "/proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: \(flags)\n"
        ])
        #expect(Set(facts.cpu.features).isSuperset(of: ["amx", "amxint8", "amxbf16"]), "\(facts.cpu.features)")
        var amd64 = facts
        amd64.architecture = "amd64"
        #expect(try ProfileCatalog.embedded().match(amd64).id == "x86_64-amx")
    }

    @Test("an endless, a huge and an unending listing are bounded")
    func bounded() throws {
        let folder = try TemporaryFolder("hardware")
        try HardwareTree.write(["/etc/os-release": String(repeating: "A=1\n", count: 300_000)], to: folder)
        try FileManager.default.createDirectory(atPath: folder.path + "/proc", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/proc/cpuinfo", withDestinationPath: "/dev/zero")
        for index in 0..<600 {
            try HardwareTree.write(["/sys/class/thermal/thermal_zone\(index)/temp": "x"], to: folder)
        }
        let facts = HardwareProbe(root: folder.path).facts()
        #expect(facts.distribution == nil)
        #expect(facts.problems.count == DeviceProfilesLimits.problems)
        #expect(facts.problems.contains { $0.path == "/proc/cpuinfo" })
    }

    @Test("facts survive JSON, and older and newer ones understand each other")
    func coding() throws {
        let facts = try HardwareTree.board("raspberry-pi-5")
        #expect(try JSONText.decode(HardwareFacts.self, from: JSONText.encode(facts)) == facts)
        let sparse =
            #"{"os":"linux","architecture":"arm64","cpu":{"features":[]},"memory":{},"storage":[],"#
            + #""accelerators":[],"thermalZones":[],"powerSupplies":[],"problems":[],"somethingNew":1}"#
        #expect(try JSONText.decode(HardwareFacts.self, from: Array(sparse.utf8)).architecture == "arm64")
    }
}
