internal import MartletTypes

/// Heat, what slows the processor down, and power.
extension HardwareProbe {
    func thermalZones(_ tree: inout SystemTree) -> [HardwareFacts.ThermalZone] {
        tree.names("/sys/class/thermal").filter { $0.hasPrefix("thermal_zone") }.compactMap { zone in
            let path = "/sys/class/thermal/\(zone)"
            guard let value = tree.number(path + "/temp") else { return nil }
            // Unused sensors report absurd values.
            guard Self.plausible.contains(value) else {
                tree.note(path + "/temp", "\(value) is no temperature")
                return nil
            }
            let trips = trips(&tree, path)
            return .init(
                name: tree.line(path + "/type") ?? zone, milliCelsius: Int(value), trips: trips.isEmpty ? nil : trips)
        }
    }

    private static let plausible: ClosedRange<Int64> = -60_000...200_000

    private func trips(_ tree: inout SystemTree, _ zone: String) -> [HardwareFacts.ThermalZone.Trip] {
        var trips: [HardwareFacts.ThermalZone.Trip] = []
        for index in 0..<DeviceProfilesLimits.tripPoints {
            guard let type = tree.line("\(zone)/trip_point_\(index)_type") else { break }
            // Points that firmware left unset have no sensible temperature: that is common, and no problem.
            guard let value = tree.number("\(zone)/trip_point_\(index)_temp"), value > 0,
                Self.plausible.contains(value)
            else { continue }
            trips.append(.init(type: type, milliCelsius: Int(value)))
        }
        return trips
    }

    /// Whether the processor is slowed down now (nil where nothing tells), and by what.
    func throttling(_ tree: inout SystemTree) -> (now: Bool?, detail: HardwareFacts.Throttling?) {
        var detail = HardwareFacts.Throttling()
        var isTold = false
        if let bits = firmwareBits(&tree) {
            isTold = true
            for (bit, name) in ["underVoltage", "frequencyCapped", "throttled", "softTemperatureLimit"].enumerated() {
                if bits & (1 << bit) != 0 { detail.now.append(name) }
                if bits & (1 << (bit + 16)) != 0 { detail.sinceStart.append(name) }
            }
        }
        for monitor in tree.names("/sys/class/hwmon") where tree.line("/sys/class/hwmon/\(monitor)/name") == "rpi_volt"
        {
            guard let alarm = tree.number("/sys/class/hwmon/\(monitor)/in0_lcrit_alarm") else { continue }
            isTold = true
            if alarm != 0, !detail.now.contains("underVoltage") { detail.now.append("underVoltage") }
        }
        // Cooling by a slower clock or by idling; fans are none of it.
        for device in tree.names("/sys/class/thermal") where device.hasPrefix("cooling_device") {
            let path = "/sys/class/thermal/\(device)"
            guard let type = tree.line(path + "/type"), Self.slowing.contains(where: type.hasPrefix),
                let state = tree.number(path + "/cur_state")
            else { continue }
            isTold = true
            if state > 0, !detail.now.contains("cooling") { detail.now.append("cooling") }
        }
        detail.events = throttleCount(&tree)
        guard isTold || detail.events != nil else { return (nil, nil) }
        return (isTold ? !detail.now.isEmpty : nil, detail)
    }

    private static let slowing = ["cpufreq-", "thermal-cpufreq", "Processor", "intel_powerclamp"]

    /// Raspberry Pi's firmware: bits 0 to 3 for now, 16 to 19 since start. Where its node lies differs by board.
    private func firmwareBits(_ tree: inout SystemTree) -> Int? {
        let driver = "/sys/bus/platform/drivers/raspberrypi-firmware"
        var folders = ["/sys/devices/platform/soc/soc:firmware"]
        folders += tree.names(driver).filter { $0.contains("firmware") }.map { driver + "/" + $0 }
        for path in folders.map({ $0 + "/get_throttled" }) where tree.exists(path) {
            guard let line = tree.line(path) else { continue }
            guard let bits = Self.hexadecimal(line[...]), bits >= 0 else {
                tree.note(path, "\"\(line.prefix(40))\" is no bit mask")
                continue
            }
            return bits
        }
        return nil
    }

    /// x86 counts for each core how often it slowed itself down; the cores of one package count the package alike.
    private func throttleCount(_ tree: inout SystemTree) -> Int64? {
        var most: Int64?
        let folder = "/sys/devices/system/cpu"
        for processor in tree.names(folder) where processor.hasPrefix("cpu") {
            for name in ["core", "package"] {
                let path = "\(folder)/\(processor)/thermal_throttle/\(name)_throttle_count"
                guard let count = tree.number(path), count >= 0 else { continue }
                most = max(most ?? 0, count)
            }
        }
        return most
    }

    func powerSupplies(_ tree: inout SystemTree) -> [HardwareFacts.PowerSupply] {
        tree.names("/sys/class/power_supply").compactMap { name in
            let path = "/sys/class/power_supply/\(name)"
            // A mouse's battery powers the mouse.
            guard let type = tree.line(path + "/type"), tree.line(path + "/scope") != "Device" else { return nil }
            let percent = tree.number(path + "/capacity").flatMap { (0...100).contains($0) ? Int($0) : nil }
            return .init(
                name: name, type: type, online: tree.number(path + "/online").map { $0 != 0 }, percent: percent,
                status: tree.line(path + "/status"))
        }
    }
}
