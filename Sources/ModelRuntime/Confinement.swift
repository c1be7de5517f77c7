internal import CProcess

/// What an engine that is forked may touch: its model, its folder and the system's libraries; no network.
package struct Confinement: Sendable, Hashable {
    /// How strictly the confinement is meant.
    package enum Mode: String, Sendable, Codable, CaseIterable {
        /// None at all.
        case off
        /// As much as the running kernel can do.
        case available
        /// All of it, or the engine is not started.
        case required
    }

    /// How strictly it is meant.
    package var mode: Mode
    /// Further files and folders that engines may read and execute.
    package var readable: [String]
    /// Further files, devices and folders that engines may write.
    package var writable: [String]

    package init(mode: Mode = .available, readable: [String] = [], writable: [String] = []) {
        self.mode = mode
        self.readable = readable
        self.writable = writable
    }

    /// Whether the running kernel can confine an engine whole.
    package static var isAvailable: Bool { cprocess_landlock_abi() > 0 }

    /// Libraries, their loader's cache, what the kernel tells about the machine. Not all of `/etc`, where keys live.
    static let systemReadable = [
        "/usr", "/lib", "/lib64", "/bin", "/proc", "/sys", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives",
        "/etc/OpenCL", "/etc/vulkan", "/etc/ssl/openssl.cnf",
    ]

    /// Plain devices, and the accelerators that engines use.
    static let systemWritable = [
        "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/shm", "/dev/dri", "/dev/kfd", "/dev/nvidiactl",
        "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia2", "/dev/nvidia3", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools",
        "/dev/nvmap", "/dev/nvhost-ctrl", "/dev/nvhost-ctrl-gpu", "/dev/nvhost-gpu", "/dev/nvhost-as-gpu",
    ]

    /// The layers of confinement that took effect for a child.
    package struct Applied: OptionSet, Sendable, Hashable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// The child is killed when the agent ends, however that happens.
        package static let parentDeathSignal = Applied(rawValue: 1 << 0)
        /// No program it starts can gain privileges.
        package static let noNewPrivileges = Applied(rawValue: 1 << 1)
        /// Only the allowed files can be opened.
        package static let landlock = Applied(rawValue: 1 << 2)
        /// Only UNIX sockets can be made.
        package static let seccomp = Applied(rawValue: 1 << 3)
        /// None of the agent's descriptors is open in it.
        package static let closedDescriptors = Applied(rawValue: 1 << 4)
        /// The kernel ends it before the agent when memory is short.
        package static let outOfMemoryFirst = Applied(rawValue: 1 << 5)
    }
}
