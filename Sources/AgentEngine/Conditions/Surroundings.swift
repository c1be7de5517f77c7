package import DeviceProfiles
internal import Glibc
package import MartletTypes

/// What a device's conditions are judged by, read when it is asked for.
package struct Surroundings: Sendable {
    /// Seconds that local time is ahead of UTC at a moment.
    package var offset: @Sendable (Timestamp) -> Int64
    /// Power supplies as the kernel shows them.
    package var powerSupplies: @Sendable () -> [HardwareFacts.PowerSupply]
    /// Temperatures as the kernel shows them.
    package var thermalZones: @Sendable () -> [HardwareFacts.ThermalZone]

    /// UTC, without power supplies and zones, where nothing else is said.
    package init(
        offset: @escaping @Sendable (Timestamp) -> Int64 = { _ in 0 },
        powerSupplies: @escaping @Sendable () -> [HardwareFacts.PowerSupply] = { [] },
        thermalZones: @escaping @Sendable () -> [HardwareFacts.ThermalZone] = { [] }
    ) {
        self.offset = offset
        self.powerSupplies = powerSupplies
        self.thermalZones = thermalZones
    }

    /// This box.
    package init(_ probe: HardwareProbe) {
        self.init(
            offset: Self.localOffset, powerSupplies: { probe.powerSupplies() }, thermalZones: { probe.thermalZones() })
    }

    /// By the time zone of the system, or of `TZ`, and the rules of summer time that hold at that moment.
    package static let localOffset: @Sendable (Timestamp) -> Int64 = { moment in
        // The zone may have been changed since the agent started; localtime_r alone would not see it.
        tzset()
        var seconds = time_t(moment.seconds)
        var fields = tm()
        guard localtime_r(&seconds, &fields) != nil else { return 0 }
        return Int64(fields.tm_gmtoff)
    }

    /// Whether it runs on mains power: a supply that is no battery is online, or there is no battery at all.
    var isOnMains: Bool {
        let supplies = powerSupplies()
        guard supplies.contains(where: { $0.type == "Battery" }) else { return true }
        return supplies.contains { $0.type != "Battery" && $0.online == true }
    }

    /// The warmest zone; nil where there is none.
    var celsius: Double? { thermalZones().map { Double($0.milliCelsius) / 1000 }.max() }
}
