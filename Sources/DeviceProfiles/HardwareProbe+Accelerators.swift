internal import MartletTypes

/// Graphics and neural processors, by what the kernel shows of them.
extension HardwareProbe {
    func accelerators(_ tree: inout SystemTree, _ board: HardwareFacts.Board?) -> [HardwareFacts.Accelerator] {
        var found = nvidiaCards(&tree) + jetson(&tree, board)
        let hasNVIDIA = !found.isEmpty
        found += renderNodes(&tree).filter { !(hasNVIDIA && $0.vendor == "nvidia") }
        found += neuralProcessors(&tree)
        // What sits on a bus without a driver is there too, and its operator wants to know.
        for accelerator in onBuses(&tree) where !found.contains(where: { $0.vendor == accelerator.vendor }) {
            found.append(accelerator)
        }
        return Array(found.prefix(DeviceProfilesLimits.accelerators))
    }

    // MARK: NVIDIA

    /// NVIDIA's own driver lists its cards; its tool adds what the driver keeps out of files.
    private func nvidiaCards(_ tree: inout SystemTree) -> [HardwareFacts.Accelerator] {
        let folder = "/proc/driver/nvidia/gpus"
        let cards = tree.names(folder)
        guard !cards.isEmpty else { return [] }
        let answers = toolAnswers()
        let version = tree.line("/sys/module/nvidia/version") ?? answers.first?.driver
        return cards.map { card in
            let info = CPUInfo(tree.text("\(folder)/\(card)/information") ?? "")
            let answer = answers.first { $0.bus.hasSuffix(card.lowercased()) }
            return .init(
                kind: .gpu, vendor: "nvidia", name: info["Model"] ?? answer?.name, driver: "nvidia",
                id: busNumber(&tree, "/sys/bus/pci/devices/" + card), driverVersion: version, memory: answer?.memory)
        }
    }

    private struct ToolAnswer {
        var bus: String
        var name: String
        var memory: ByteCount?
        var driver: String
    }

    /// What `nvidia-smi` is asked: lines of `bus, name, MiB, driver`.
    package static let acceleratorQuery = [
        "--query-gpu=pci.bus_id,name,memory.total,driver_version", "--format=csv,noheader,nounits",
    ]

    private func toolAnswers() -> [ToolAnswer] {
        guard let text = command?("nvidia-smi", Self.acceleratorQuery),
            text.utf8.count <= DeviceProfilesLimits.commandBytes
        else {
            return []
        }
        return text.split(separator: "\n").prefix(DeviceProfilesLimits.accelerators).compactMap { line in
            let fields = line.split(separator: ",").map {
                String(SystemTree.trim($0).prefix(DeviceProfilesLimits.textBytes))
            }
            guard fields.count == 4 else { return nil }
            let mebibytes = Int64(fields[2]).flatMap { (1...1 << 30).contains($0) ? $0 : nil }
            return ToolAnswer(
                bus: fields[0].lowercased(), name: fields[1], memory: mebibytes.map { .mebibytes($0) },
                driver: fields[3])
        }
    }

    /// A Jetson's graphics processor is part of its chip and shares the machine's memory.
    private func jetson(_ tree: inout SystemTree, _ board: HardwareFacts.Board?) -> [HardwareFacts.Accelerator] {
        let chips = board?.compatible.compactMap { Self.tegra[$0] } ?? []
        guard let name = chips.first else { return [] }
        let driver = ["gk20a", "nvgpu"].first { tree.exists("/sys/bus/platform/drivers/\($0)") }
        return [
            .init(
                kind: .gpu, vendor: "nvidia", name: name, driver: driver,
                driverVersion: tree.line("/etc/nv_tegra_release").flatMap(Self.jetsonLinux))
        ]
    }

    private static let tegra = [
        "nvidia,tegra210": "Tegra X1 (Maxwell)", "nvidia,tegra186": "Tegra X2 (Pascal)",
        "nvidia,tegra194": "Xavier (Volta)", "nvidia,tegra234": "Orin (Ampere)", "nvidia,tegra264": "Thor (Blackwell)",
    ]

    /// `# R36 (release), REVISION: 4.3, …` → `36.4.3`.
    private static func jetsonLinux(_ line: String) -> String? {
        let words = line.split { $0 == " " || $0 == "," }.map(String.init)
        guard let major = words.first(where: { $0.hasPrefix("R") && Int($0.dropFirst()) != nil })?.dropFirst(),
            let place = words.firstIndex(of: "REVISION:"), place + 1 < words.count
        else { return nil }
        return "\(major).\(words[place + 1])"
    }

    // MARK: Others

    private func renderNodes(_ tree: inout SystemTree) -> [HardwareFacts.Accelerator] {
        tree.names("/sys/class/drm").filter { $0.hasPrefix("renderD") }.map { node in
            let device = "/sys/class/drm/\(node)/device"
            let driver = tree.linkName(device + "/driver")
            let id = busNumber(&tree, device)
            let byNumber = id.flatMap { Self.pciVendors[String($0.prefix(4))] }
            let vendor = byNumber ?? driver.flatMap { Self.drmVendors[$0] } ?? "unknown"
            let memory = tree.number(device + "/mem_info_vram_total").flatMap { $0 > 0 ? ByteCount($0) : nil }
            return .init(kind: .gpu, vendor: vendor, driver: driver, id: id, memory: memory)
        }
    }

    /// `vendor:device` of a PCI device's folder.
    private func busNumber(_ tree: inout SystemTree, _ folder: String) -> String? {
        guard let vendor = tree.line(folder + "/vendor"), vendor.hasPrefix("0x"), vendor.utf8.count == 6 else {
            return nil
        }
        let device = tree.line(folder + "/device").map { $0.hasPrefix("0x") ? String($0.dropFirst(2)) : $0 }
        return vendor.dropFirst(2) + ":" + (device ?? "")
    }

    private static let pciVendors = [
        "8086": "intel", "1002": "amd", "1022": "amd", "10de": "nvidia", "1af4": "virtio", "1e60": "hailo",
        "1ac1": "coral", "1da3": "habana", "17cb": "qualcomm",
    ]
    private static let drmVendors = [
        "v3d": "broadcom", "vc4": "broadcom", "panfrost": "arm", "panthor": "arm", "lima": "arm", "msm": "qualcomm",
        "tegra": "nvidia", "drm-tegra": "nvidia", "nvgpu": "nvidia", "nvidia": "nvidia", "nouveau": "nvidia",
        "i915": "intel", "xe": "intel", "amdgpu": "amd", "radeon": "amd", "etnaviv": "vivante",
        "virtio_gpu": "virtio",
    ]

    private func neuralProcessors(_ tree: inout SystemTree) -> [HardwareFacts.Accelerator] {
        var found: [HardwareFacts.Accelerator] = []
        // Folders of character devices and bound drivers, by which the kernel shows neural processors.
        for (path, prefix, vendor, driver) in Self.neuralClasses {
            for name in tree.names(path) where name.hasPrefix(prefix) {
                found.append(
                    .init(
                        kind: .npu, vendor: vendor, name: name, driver: driver,
                        id: busNumber(&tree, "\(path)/\(name)/device"),
                        driverVersion: tree.line("/sys/module/\(driver)/version")))
            }
        }
        for name in tree.names("/sys/class/accel") where name.hasPrefix("accel") {
            let device = "/sys/class/accel/\(name)/device"
            let driver = tree.linkName(device + "/driver")
            let id = busNumber(&tree, device)
            let byNumber = id.flatMap { Self.pciVendors[String($0.prefix(4))] }
            let vendor = driver.flatMap { Self.accelVendors[$0] } ?? byNumber ?? "unknown"
            found.append(.init(kind: .npu, vendor: vendor, name: name, driver: driver ?? "accel", id: id))
        }
        return found
    }

    private static let neuralClasses = [
        ("/sys/class/hailo_chardev", "hailo", "hailo", "hailo_pci"), ("/sys/class/apex", "apex_", "coral", "apex"),
        ("/sys/bus/platform/drivers/RKNPU", "fd", "rockchip", "RKNPU"),
    ]
    private static let accelVendors = [
        "intel_vpu": "intel", "rocket": "rockchip", "amdxdna": "amd", "habanalabs": "habana", "qaic": "qualcomm",
        "ethosu": "arm",
    ]

    /// Neural processors on PCI and USB that no driver shows.
    private func onBuses(_ tree: inout SystemTree) -> [HardwareFacts.Accelerator] {
        var found: [HardwareFacts.Accelerator] = []
        for name in tree.names("/sys/bus/pci/devices") {
            guard let id = busNumber(&tree, "/sys/bus/pci/devices/" + name),
                let vendor = ["1e60": "hailo", "1ac1": "coral"][String(id.prefix(4))]
            else { continue }
            found.append(.init(kind: .npu, vendor: vendor, id: id))
        }
        for name in tree.names("/sys/bus/usb/devices") {
            let folder = "/sys/bus/usb/devices/" + name
            guard let vendor = tree.line(folder + "/idVendor"), let product = tree.line(folder + "/idProduct"),
                // Before and after its firmware is loaded, which its own library does.
                ["1a6e:089a", "18d1:9302"].contains("\(vendor):\(product)")
            else { continue }
            found.append(.init(kind: .npu, vendor: "coral", name: "USB", id: "\(vendor):\(product)"))
        }
        return found
    }
}
