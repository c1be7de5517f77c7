import DeviceProfiles
import MartletTypes
import Testing

/// What the probe makes of each machine of Tests/Fixtures/hardware.
@Suite("Boards")
struct BoardTests {
    @Test("each tree says whether it was recorded, and is read without a problem", arguments: HardwareTree.names)
    func whole(name: String) throws {
        let note = try HardwareTree.note(name)
        #expect(note.hasPrefix("# "))
        let origins = ["Recorded on", "Written from documentation", "Written by hand"]
        #expect(origins.contains { note.contains($0) }, "the note does not say where it is from: \(note)")
        let facts = try HardwareTree.board(name)
        guard name != "broken" else { return }
        #expect(facts.problems.isEmpty, "\(facts.problems)")
        #expect(facts.architecture != "unknown" && facts.cpu.cores != nil && facts.cpu.model != nil)
        #expect(facts.memory.total != nil && facts.memory.available != nil)
        #expect(facts.kernel != nil && facts.distribution != nil)
        #expect(try JSONText.decode(HardwareFacts.self, from: JSONText.encode(facts)) == facts)
    }

    @Test("there are twelve of them, with those that the probe was made for")
    func complete() {
        let asked: Set = [
            "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2w", "jetson-orin-nano", "rock-5b", "intel-n100",
            "amd-v1605b", "aws-graviton3", "container", "broken", "epyc-vm", "pc-with-rtx",
        ]
        #expect(asked.count == 12)
        #expect(asked.isSubset(of: HardwareTree.names))
    }

    @Test(
        "processors and their features",
        arguments: [
            ("raspberry-pi-4", "arm64", "Raspberry Pi 4 Model B Rev 1.5", 4, 4, ["neon"]),
            ("raspberry-pi-5", "arm64", "Raspberry Pi 5 Model B Rev 1.0", 4, 4, ["dotprod", "fp16", "neon"]),
            ("raspberry-pi-zero-2w", "arm64", "Raspberry Pi Zero 2 W Rev 1.0", 4, 4, ["neon"]),
            ("jetson-orin-nano", "arm64", "Cortex-A78AE", 6, 6, ["dotprod", "fp16", "neon"]),
            // Four slow cores, which the fast four would wait for.
            ("rock-5b", "arm64", "Cortex-A55", 8, 4, ["dotprod", "fp16", "neon"]),
            (
                "aws-graviton3", "arm64", "Neoverse-V1", 2, 2,
                ["bf16", "dotprod", "fp16", "i8mm", "neon", "sve", "svebf16", "svei8mm"]
            ),
            (
                "intel-n100", "amd64", "Intel(R) N100", 4, 4,
                ["avx", "avx2", "avxvnni", "bmi2", "f16c", "fma", "sse42"]
            ),
            (
                "amd-v1605b", "amd64", "AMD Ryzen Embedded V1605B with Radeon Vega Gfx", 8, 8,
                ["avx", "avx2", "bmi2", "f16c", "fma", "sse42"]
            ),
            (
                "pc-with-rtx", "amd64", "12th Gen Intel(R) Core(TM) i5-12600K", 16, 12,
                ["avx", "avx2", "avxvnni", "bmi2", "f16c", "fma", "sse42"]
            ),
            // Eight are there, four may be used, for two and a half processors' time.
            (
                "container", "amd64", "Intel(R) Core(TM) i7-9700K CPU @ 3.60GHz", 8, 2,
                ["avx", "avx2", "bmi2", "f16c", "fma", "sse42"]
            ),
            (
                "epyc-vm", "amd64", "AMD EPYC", 2, 2,
                [
                    "avx", "avx2", "avx512bf16", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vbmi",
                    "avx512vl", "avx512vnni", "bmi2", "f16c", "fma", "sse42",
                ]
            ),
        ])
    func processors(
        name: String, architecture: String, model: String, cores: Int, usable: Int, features: [String]
    ) throws {
        let facts = try HardwareTree.board(name)
        #expect(facts.architecture == architecture)
        #expect(facts.cpu.model == model)
        #expect(facts.cpu.cores == cores)
        #expect(facts.cpu.usableCores == usable)
        #expect(facts.cpu.features == features)
    }

    @Test("names of boards, from the device tree or DMI without the words that makers leave in")
    func names() throws {
        func board(_ name: String) throws -> HardwareFacts.Board? { try HardwareTree.board(name).board }
        #expect(try board("raspberry-pi-zero-2w")?.compatible == ["raspberrypi,model-zero-2-w", "brcm,bcm2837"])
        #expect(try board("jetson-orin-nano")?.compatible.last == "nvidia,tegra234")
        #expect(try board("rock-5b")?.model == "Radxa ROCK 5B")
        #expect(try board("intel-n100")?.model == "EQ")
        #expect(try board("pc-with-rtx")?.vendor == "ASRock")
        #expect(try board("pc-with-rtx")?.model == "B660M Pro RS")
        #expect(try board("aws-graviton3")?.vendor == "Amazon EC2")
        #expect(try board("aws-graviton3")?.firmware == "1.0")
        #expect(try board("container") == nil)
        #expect(try board("epyc-vm") == nil)
    }

    @Test(
        "what the data lie on",
        arguments: [
            (
                "raspberry-pi-4", "/", HardwareFacts.Storage.Kind.ssd, "usb" as String?, nil as Int?, nil as String?,
                false
            ),
            ("raspberry-pi-5", "/", .sdCard, "mmc", nil, nil, false),
            ("raspberry-pi-zero-2w", "/", .sdCard, "mmc", nil, nil, false),
            ("jetson-orin-nano", "/", .nvme, "nvme", nil, nil, false),
            ("rock-5b", "/", .emmc, "mmc", 20, "normal", false),
            ("intel-n100", "/", .ssd, "sata", nil, nil, false),
            ("amd-v1605b", "/", .emmc, "mmc", 100, "warning", true),
            ("aws-graviton3", "/", .virtual, "nvme", nil, nil, false),
            ("container", "/", .unknown, nil, nil, nil, false),
            ("container", "/var/lib/martlet", .disk, "sata", nil, nil, false),
            ("pc-with-rtx", "/", .nvme, "nvme", nil, nil, false),
            ("epyc-vm", "/", .virtual, "virtio", nil, nil, false),
        ])
    func storage(
        name: String, path: String, kind: HardwareFacts.Storage.Kind, bus: String?, wear: Int?, spare: String?,
        readOnly: Bool
    ) throws {
        let storage = try #require(try HardwareTree.board(name, storage: [path]).storage.first)
        #expect(storage.kind == kind)
        #expect(storage.bus == bus)
        #expect(storage.wearPercent == wear)
        #expect(storage.spare == spare)
        #expect(storage.readOnly == readOnly)
    }

    @Test("graphics and neural processors")
    func accelerators() throws {
        func found(_ name: String) throws -> [HardwareFacts.Accelerator] { try HardwareTree.board(name).accelerators }
        #expect(try found("raspberry-pi-4") == [.init(kind: .gpu, vendor: "broadcom", driver: "v3d")])
        #expect(
            try found("raspberry-pi-5") == [
                .init(kind: .gpu, vendor: "broadcom", driver: "v3d"),
                .init(
                    kind: .npu, vendor: "hailo", name: "hailo0", driver: "hailo_pci", id: "1e60:2864",
                    driverVersion: "4.20.0"),
            ])
        #expect(
            try found("jetson-orin-nano") == [
                .init(kind: .gpu, vendor: "nvidia", name: "Orin (Ampere)", driver: "gk20a", driverVersion: "36.4.3")
            ])
        #expect(
            try found("rock-5b") == [.init(kind: .npu, vendor: "rockchip", name: "fdab0000.npu", driver: "RKNPU")])
        #expect(
            try found("intel-n100") == [
                .init(kind: .gpu, vendor: "intel", driver: "i915", id: "8086:46d1"),
                .init(kind: .npu, vendor: "coral", name: "USB", id: "1a6e:089a"),
            ])
        #expect(
            try found("amd-v1605b") == [
                .init(kind: .gpu, vendor: "amd", driver: "amdgpu", id: "1002:15dd", memory: .mebibytes(1024))
            ])
        #expect(try found("aws-graviton3").isEmpty && found("container").isEmpty && found("epyc-vm").isEmpty)
    }

    @Test("NVIDIA's tool is asked only where its driver is, and adds what files do not say")
    func nvidia() throws {
        let tool: ProbeCommand = { program, arguments in
            guard program == "nvidia-smi", arguments.count == 2 else { return nil }
            return "00000000:01:00.0, NVIDIA RTX A2000 12GB, 12282, 535.247.01\nnonsense\n"
        }
        let found = try HardwareTree.board("pc-with-rtx", command: tool).accelerators
        #expect(
            found == [
                .init(
                    kind: .gpu, vendor: "nvidia", name: "NVIDIA RTX A2000 12GB", driver: "nvidia", id: "10de:2571",
                    driverVersion: "535.247.01", memory: .mebibytes(12_282)),
                .init(kind: .gpu, vendor: "intel", driver: "i915", id: "8086:4680"),
                // On the bus, and no driver has taken it.
                .init(kind: .npu, vendor: "hailo", id: "1e60:2864"),
            ])
        #expect(try HardwareTree.board("pc-with-rtx").accelerators.first?.memory == nil)
        #expect(
            try HardwareTree.board("pc-with-rtx", command: { _, _ in "\u{0},,,\n9,9,-9,9" }).accelerators.count == 3)
        _ = try HardwareTree.board("intel-n100") { _, _ in
            Issue.record("there is no card to ask for")
            return nil
        }
    }

    @Test("memory, swap and what control groups leave")
    func memory() throws {
        let zero = try HardwareTree.board("raspberry-pi-zero-2w").memory
        #expect(zero.total == ByteCount(427_492 * 1024 as Int64) && zero.swapDevices?.map(\.kind) == ["zram"])
        #expect(zero.swapDevices?.first?.used == ByteCount(24_576 * 1024 as Int64))
        #expect(try HardwareTree.board("raspberry-pi-4").memory.swapDevices?.map(\.kind) == ["file"])
        #expect(try HardwareTree.board("jetson-orin-nano").memory.swapDevices?.count == 6)
        #expect(try HardwareTree.board("intel-n100").memory.swapDevices?.map(\.kind) == ["partition"])
        let container = try HardwareTree.board("container").memory
        #expect(container.usableTotal == .mebibytes(2048))
        // Half of what it uses are pages of files that it no longer reads.
        #expect(container.cgroupUsed == .mebibytes(512) && container.usableAvailable == .mebibytes(1536))
        let vm = try HardwareTree.board("epyc-vm").memory
        #expect(vm.cgroupLimit == nil && vm.swapDevices == nil && vm.usableTotal == vm.total)
    }

    @Test("heat, what slows a processor down, and power")
    func heatAndPower() throws {
        let four = try HardwareTree.board("raspberry-pi-4")
        #expect(four.throttled == true)
        #expect(four.throttling?.now == ["underVoltage", "throttled"])
        #expect(four.throttling?.sinceStart == ["underVoltage", "throttled"])
        #expect(
            four.thermalZones == [
                .init(
                    name: "cpu-thermal", milliCelsius: 79_848, trips: [.init(type: "critical", milliCelsius: 110_000)])
            ])
        #expect(try HardwareTree.board("raspberry-pi-5").throttled == false)
        let n100 = try HardwareTree.board("intel-n100")
        // Trip points that the firmware left at nothing are none.
        #expect(n100.throttled == false && n100.throttling?.events == 17 && n100.thermalZones[1].trips == nil)
        let orin = try HardwareTree.board("jetson-orin-nano")
        #expect(orin.thermalZones.map(\.name) == ["cpu-thermal", "gpu-thermal", "soc0-thermal", "tj-thermal"])
        #expect(orin.throttled == nil, "a fan slows nothing down")
        let rock = try HardwareTree.board("rock-5b")
        #expect(
            rock.throttled == false && rock.thermalZones[0].trips?.map(\.type) == ["passive", "passive", "critical"])
        let amd = try HardwareTree.board("amd-v1605b")
        #expect(
            amd.powerSupplies == [
                .init(name: "ADP1", type: "Mains", online: false),
                .init(name: "BAT0", type: "Battery", percent: 63, status: "Discharging"),
            ], "the mouse's battery powers the mouse")
    }

    @Test("the clock: the kernel's word before that of files, and who keeps it right")
    func clock() throws {
        let pi = try HardwareTree.board("raspberry-pi-5")
        #expect(pi.clockSynchronised == true && pi.timeService == "systemd-timesyncd")
        let n100 = try HardwareTree.board("intel-n100")
        #expect(n100.clockSynchronised == nil && n100.timeService == "chrony")
        #expect(try HardwareTree.board("intel-n100", kernelClock: { true }).clockSynchronised == true)
        #expect(try HardwareTree.board("raspberry-pi-5", kernelClock: { false }).clockSynchronised == false)
        #expect(try HardwareTree.board("raspberry-pi-5", kernelClock: { nil }).clockSynchronised == true)
        #expect(try HardwareTree.board("pc-with-rtx").timeService == "systemd-timesyncd")
        #expect(try HardwareTree.board("container").timeService == nil)
    }
}
