package import MartletTypes

extension HardwareFacts {
    /// Main memory and swap.
    package struct Memory: Sendable, Hashable, Codable {
        /// All of it.
        package var total: ByteCount?
        /// What can be had without swapping, by the kernel's estimate.
        package var available: ByteCount?
        /// Swap, all and free.
        package var swapTotal: ByteCount?
        package var swapFree: ByteCount?
        /// What swap lies on; nil where there is none.
        package var swapDevices: [Swap]?
        /// The least limit of the control groups that the agent runs in.
        package var cgroupLimit: ByteCount?
        /// What the group with that limit uses now, less the pages of files that it can drop.
        package var cgroupUsed: ByteCount?
        /// The least that any of those groups leaves now.
        package var cgroupAvailable: ByteCount?

        package init(
            total: ByteCount? = nil, available: ByteCount? = nil, swapTotal: ByteCount? = nil,
            swapFree: ByteCount? = nil, cgroupLimit: ByteCount? = nil, cgroupUsed: ByteCount? = nil
        ) {
            self.total = total
            self.available = available
            self.swapTotal = swapTotal
            self.swapFree = swapFree
            self.cgroupLimit = cgroupLimit
            self.cgroupUsed = cgroupUsed
        }

        /// All memory that the agent and its engines may ever have: the machine's, or less by a control group.
        package var usableTotal: ByteCount? {
            [total, cgroupLimit].compactMap { $0 }.filter { $0 >= .zero }.min()
        }

        /// What they may have now: the machine's available memory, or what the control group leaves.
        package var usableAvailable: ByteCount? {
            let left = cgroupAvailable ?? cgroupLimit.map { $0.less(cgroupUsed ?? .zero) }
            return [available, left].compactMap { $0 }.filter { $0 >= .zero }.min()
        }
    }

    /// What a part of swap lies on.
    package struct Swap: Sendable, Hashable, Codable {
        /// E.g. `/dev/zram0`.
        package var name: String
        /// `zram` (compressed memory), `partition` or `file`.
        package var kind: String
        package var total: ByteCount?
        package var used: ByteCount?

        package init(name: String, kind: String, total: ByteCount? = nil, used: ByteCount? = nil) {
            self.name = name
            self.kind = kind
            self.total = total
            self.used = used
        }
    }

    /// A file system.
    package struct Storage: Sendable, Hashable, Codable {
        /// What the store lies on.
        package enum Kind: String, Sendable, Codable {
            case nvme, ssd, disk, emmc, sdCard, virtual, network, memory, unknown
        }

        /// The path that was asked for.
        package var path: String
        /// Its size, and what is free for the agent.
        package var total: ByteCount?
        package var free: ByteCount?
        /// What it lies on.
        package var kind: Kind
        /// How it is attached: `mmc`, `nvme`, `sata`, `usb` or `virtio`; nil where the kernel does not show it.
        package var bus: String?
        /// Part of its life that is used up, in percent, where the device shows it.
        package var wearPercent: Int?
        /// What is left of its spare blocks, where the device shows it: `normal`, `warning` (80 % used) or `urgent`.
        package var spare: String?
        /// Whether nothing can be written; nil where nothing tells.
        package var readOnly: Bool?

        package init(
            path: String, total: ByteCount? = nil, free: ByteCount? = nil, kind: Kind = .unknown,
            wearPercent: Int? = nil
        ) {
            self.path = path
            self.total = total
            self.free = free
            self.kind = kind
            self.wearPercent = wearPercent
        }
    }
}

extension ByteCount {
    /// What is left of it after `other`: never negative, and never a trap, whatever numbers a device reported.
    func less(_ other: ByteCount) -> ByteCount { max(.zero, max(.zero, self) - max(.zero, other)) }
}
