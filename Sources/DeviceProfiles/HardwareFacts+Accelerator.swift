package import MartletTypes

extension HardwareFacts {
    /// A graphics or neural processor.
    package struct Accelerator: Sendable, Hashable, Codable {
        /// What it is for.
        package enum Kind: String, Sendable, Codable { case gpu, npu }

        package var kind: Kind
        /// E.g. `nvidia`, `amd`, `intel`, `broadcom`, `rockchip`, `hailo`, `coral`.
        package var vendor: String
        /// Its name, where the kernel shows one.
        package var name: String?
        /// The kernel driver; nil where none has taken it, or it needs none.
        package var driver: String?
        /// Its number on the bus, `vendor:device` in hexadecimal, e.g. `8086:46d1`.
        package var id: String?
        /// The driver's own version.
        package var driverVersion: String?
        /// Memory of its own; nil where it shares the machine's, or nothing tells.
        package var memory: ByteCount?

        package init(
            kind: Kind, vendor: String, name: String? = nil, driver: String? = nil, id: String? = nil,
            driverVersion: String? = nil, memory: ByteCount? = nil
        ) {
            self.id = id
            self.driverVersion = driverVersion
            self.memory = memory
            self.kind = kind
            self.vendor = vendor
            self.name = name
            self.driver = driver
        }
    }
}
