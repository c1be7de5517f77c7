import DeviceProfiles
import MartletTypes

/// What a device reported of its hardware, for people: only what it told.
enum HardwareLines {
    static func pairs(_ facts: HardwareFacts) -> [(String, String)] {
        var pairs: [(String, String)] = []
        func add(_ name: String, _ parts: [String?]) {
            let told = parts.compactMap(\.self).filter { !$0.isEmpty }
            if !told.isEmpty { pairs.append((name, told.joined(separator: ", "))) }
        }
        add("board", [facts.board?.vendor, facts.board?.model])
        let cores = facts.cpu.cores.map { count in
            let usable = facts.cpu.usableCores
            return "\(Printable.count(count, "processor"))" + (usable < count ? ", \(usable) for engines" : "")
        }
        add("processor", [facts.cpu.model, cores, facts.cpu.features.joined(separator: " ")])
        let limit = facts.memory.cgroupLimit.map { "limited to \($0)" }
        add("memory", [facts.memory.total.map { "\($0)" }, limit, facts.memory.available.map { "\($0) available" }])
        for disk in facts.storage {
            add(
                "storage \(disk.path)",
                [
                    disk.kind == .unknown ? nil : disk.kind.rawValue, disk.bus, disk.free.map { "\($0) free" },
                    disk.wearPercent.map { "\($0) % worn" }, disk.spare.map { "spare blocks \($0)" },
                    disk.readOnly == true ? "read-only" : nil,
                ])
        }
        for item in facts.accelerators {
            add(
                item.kind.rawValue,
                [
                    item.vendor, item.name, item.id, item.memory.map { "\($0) of its own" },
                    item.driver.map { "driver \($0)\(item.driverVersion.map { " " + $0 } ?? "")" } ?? "no driver",
                ])
        }
        add("system", [facts.distribution?.name ?? facts.distribution?.id, facts.kernel])
        if let hottest = facts.thermalZones.max(by: { $0.milliCelsius < $1.milliCelsius }) {
            add("warmest", ["\(hottest.milliCelsius / 1000) °C (\(hottest.name))"])
        }
        add("slowed down", facts.throttling?.now ?? [])
        let clock = facts.clockSynchronised.map { $0 ? "kept right" : "not kept right" }
        add("clock", [clock, facts.timeService.map { "by \($0)" }])
        return pairs
    }
}
