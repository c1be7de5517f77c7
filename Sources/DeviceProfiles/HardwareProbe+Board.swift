internal import MartletTypes

/// Board, distribution, accelerators, heat and power.
extension HardwareProbe {
    func board(_ tree: inout SystemTree) -> HardwareFacts.Board? {
        for base in ["/proc/device-tree", "/sys/firmware/devicetree/base"] where tree.exists(base) {
            let compatible = tree.strings(base + "/compatible")
            let model = tree.line(base + "/model")
            let vendor = compatible.first?.split(separator: ",").first.map(String.init)
            if model != nil || !compatible.isEmpty {
                return .init(vendor: vendor, model: model, compatible: compatible)
            }
        }
        let vendor = tree.line("/sys/class/dmi/id/sys_vendor") ?? tree.line("/sys/class/dmi/id/board_vendor")
        let model = tree.line("/sys/class/dmi/id/product_name") ?? tree.line("/sys/class/dmi/id/board_name")
        return vendor == nil && model == nil ? nil : .init(vendor: vendor, model: model)
    }

    func distribution(_ tree: inout SystemTree) -> HardwareFacts.Distribution? {
        guard let text = tree.text("/etc/os-release") ?? tree.text("/usr/lib/os-release") else { return nil }
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            let value = line[line.index(after: equals)...].filter { $0 != "\"" && $0 != "'" }
            values[String(line[..<equals])] = String(value.prefix(DeviceProfilesLimits.textBytes))
        }
        guard let id = values["ID"] else {
            tree.note("/etc/os-release", "has no ID")
            return nil
        }
        return .init(id: id, version: values["VERSION_ID"], name: values["PRETTY_NAME"])
    }

    func accelerators(_ tree: inout SystemTree) -> [HardwareFacts.Accelerator] {
        var found: [HardwareFacts.Accelerator] = []
        for folder in tree.names("/proc/driver/nvidia/gpus") {
            let info = CPUInfo(tree.text("/proc/driver/nvidia/gpus/\(folder)/information") ?? "")
            found.append(.init(kind: .gpu, vendor: "nvidia", name: info["Model"], driver: "nvidia"))
        }
        let nodes = tree.names("/sys/class/drm").filter { $0.hasPrefix("renderD") }
        for node in nodes {
            let device = "/sys/class/drm/\(node)/device"
            let driver = tree.linkName(device + "/driver")
            let number = tree.line(device + "/vendor")
            // NVIDIA's own driver is told above, with the card's name.
            guard driver != "nvidia" else { continue }
            let vendor = number.flatMap { Self.pciVendors[$0] } ?? driver.flatMap { Self.drmVendors[$0] } ?? "unknown"
            found.append(.init(kind: .gpu, vendor: vendor, driver: driver))
        }
        // Folders of character devices and bound drivers, by which the kernel shows neural processors.
        for (path, prefix, vendor, driver) in Self.neuralProcessors {
            for name in tree.names(path) where name.hasPrefix(prefix) {
                found.append(.init(kind: .npu, vendor: vendor, name: name, driver: driver))
            }
        }
        return found
    }

    private static let pciVendors = ["0x8086": "intel", "0x1002": "amd", "0x10de": "nvidia", "0x1af4": "virtio"]
    private static let drmVendors = [
        "v3d": "broadcom", "vc4": "broadcom", "panfrost": "arm", "panthor": "arm", "lima": "arm", "msm": "qualcomm",
        "tegra": "nvidia", "nvgpu": "nvidia", "i915": "intel", "xe": "intel", "amdgpu": "amd", "etnaviv": "vivante",
    ]
    private static let neuralProcessors = [
        ("/sys/class/hailo_chardev", "hailo", "hailo", "hailo_pci"), ("/sys/class/apex", "apex_", "coral", "apex"),
        ("/sys/bus/platform/drivers/RKNPU", "fd", "rockchip", "RKNPU"),
        ("/sys/class/accel", "accel", "unknown", "accel"),
    ]

    func thermalZones(_ tree: inout SystemTree) -> [HardwareFacts.ThermalZone] {
        tree.names("/sys/class/thermal").filter { $0.hasPrefix("thermal_zone") }.compactMap { zone in
            let path = "/sys/class/thermal/\(zone)"
            guard let value = tree.number(path + "/temp") else { return nil }
            // Unused sensors report absurd values.
            guard (-60_000...200_000).contains(value) else {
                tree.note(path + "/temp", "\(value) is no temperature")
                return nil
            }
            return .init(name: tree.line(path + "/type") ?? zone, milliCelsius: Int(value))
        }
    }

    /// Raspberry Pi's firmware tells in bits 0 to 3: under-voltage, frequency capped, throttled, soft temperature
    /// limit.
    func throttled(_ tree: inout SystemTree) -> Bool? {
        let path = "/sys/devices/platform/soc/soc:firmware/get_throttled"
        guard let line = tree.line(path) else { return nil }
        guard let bits = Int(line.hasPrefix("0x") ? line.dropFirst(2) : line[...], radix: 16) else {
            tree.note(path, "\"\(line.prefix(40))\" is no bit mask")
            return nil
        }
        return bits & 0xf != 0
    }

    func powerSupplies(_ tree: inout SystemTree) -> [HardwareFacts.PowerSupply] {
        tree.names("/sys/class/power_supply").compactMap { name in
            let path = "/sys/class/power_supply/\(name)"
            guard let type = tree.line(path + "/type") else { return nil }
            let percent = tree.number(path + "/capacity").flatMap { (0...100).contains($0) ? Int($0) : nil }
            return .init(
                name: name, type: type, online: tree.number(path + "/online").map { $0 != 0 }, percent: percent)
        }
    }
}
