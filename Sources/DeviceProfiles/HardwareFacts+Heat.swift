extension HardwareFacts {
    /// A temperature.
    package struct ThermalZone: Sendable, Hashable, Codable {
        /// The kernel's name for it, e.g. `cpu-thermal`.
        package var name: String
        /// Thousandths of a degree Celsius.
        package var milliCelsius: Int
        /// Temperatures at which the kernel acts; nil where it has none.
        package var trips: [Trip]?

        package init(name: String, milliCelsius: Int, trips: [Trip]? = nil) {
            self.name = name
            self.milliCelsius = milliCelsius
            self.trips = trips
        }

        /// A temperature at which the kernel acts.
        package struct Trip: Sendable, Hashable, Codable {
            /// `passive` (slows down), `active` (fans), `hot` (warns) or `critical` (switches off).
            package var type: String
            /// Thousandths of a degree Celsius.
            package var milliCelsius: Int

            package init(type: String, milliCelsius: Int) {
                self.type = type
                self.milliCelsius = milliCelsius
            }
        }
    }

    /// By what the processor is slowed down.
    package struct Throttling: Sendable, Hashable, Codable {
        /// What slows it down now: `underVoltage`, `frequencyCapped`, `throttled`, `softTemperatureLimit` (a Raspberry
        /// Pi's firmware) or `cooling` (the kernel's).
        package var now: [String]
        /// What did since the machine started, where that is kept.
        package var sinceStart: [String]
        /// How often an x86 processor slowed itself down since then, its hottest core; nil where nothing tells.
        package var events: Int64?

        package init(now: [String] = [], sinceStart: [String] = [], events: Int64? = nil) {
            self.now = now
            self.sinceStart = sinceStart
            self.events = events
        }
    }

    /// A power supply.
    package struct PowerSupply: Sendable, Hashable, Codable {
        /// The kernel's name for it, e.g. `BAT0`.
        package var name: String
        /// `Mains`, `Battery`, `USB` or `UPS`.
        package var type: String
        /// Whether power comes from it; nil where it does not say.
        package var online: Bool?
        /// What a battery still holds.
        package var percent: Int?
        /// `Charging`, `Discharging`, `Full` and the like, where it says.
        package var status: String?

        package init(name: String, type: String, online: Bool? = nil, percent: Int? = nil, status: String? = nil) {
            self.status = status
            self.name = name
            self.type = type
            self.online = online
            self.percent = percent
        }
    }
}
