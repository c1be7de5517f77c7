internal import CProcess
internal import Glibc
internal import MartletTypes

/// The agent's own control group (version 2), where its unit delegates it: one group for each slot, and in it one for
/// each engine.
///
///     <the unit's group>/agent                          the agent itself: a group with children has no processes
///                       /slot-triage                    cpu.max
///                       /slot-triage/generation-12      memory.high, memory.max, one engine
///
/// Memory is limited for each engine, as two of a slot stand side by side while it is swapped; processor time for the
/// slot as a whole, so that a swap takes nothing from other slots.
package struct ControlGroups: Sendable {
    /// Why there are none.
    package struct Missing: Error, Sendable, Hashable {
        /// The end of a sentence.
        package let reason: String
    }

    /// The group of one engine.
    struct Leaf: Sendable {
        let folder: String
        let slotFolder: String
    }

    private let folder: String

    /// Takes over the group that this process is in. `root` is where groups are mounted, `membership` the file that
    /// says in which group a process is; `isDelegated` tells whether a group is the agent's to divide. Throws
    /// `Missing`.
    package static func open(
        root: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup", pid: Int32 = getpid(),
        isDelegated: (String) -> Bool = ControlGroups.isMarkedDelegated
    ) throws(Missing) -> ControlGroups {
        guard access(root + "/cgroup.controllers", R_OK) == 0 else {
            throw Missing(reason: "this machine has no control groups of version 2")
        }
        let lines = (ProcFile.text(membership) ?? "").split(separator: "\n")
        guard var own = lines.first(where: { $0.hasPrefix("0::/") }).map({ String($0.dropFirst(3)) }), own != "/",
            !own.contains("..")
        else { throw Missing(reason: "the agent is in no control group of its own") }
        // One that replaced itself is where its predecessor put itself.
        if own.hasSuffix("/" + agentName) { own = String(own.dropLast(agentName.utf8.count + 1)) }
        let groups = ControlGroups(folder: root + own)
        guard isDelegated(groups.folder), access(groups.folder, W_OK) == 0 else {
            throw Missing(reason: "its control group is not delegated to the agent (Delegate= in its unit)")
        }
        try groups.divide(pid)
        return groups
    }

    private static let agentName = "agent"

    /// systemd marks what it delegates, and gives it to the unit's user.
    package static func isMarkedDelegated(_ folder: String) -> Bool {
        var info = stat()
        if geteuid() != 0, stat(folder, &info) == 0, info.st_uid == geteuid() { return true }
        return cprocess_is_delegated(folder) == 1
    }

    /// Only a group without processes of its own can limit those below it. The agent may not be alone in it: the
    /// watchdog of a program on trial was started there before.
    private func divide(_ pid: Int32) throws(Missing) {
        do {
            try make(folder + "/" + Self.agentName)
            let own = folder + "/" + Self.agentName + "/cgroup.procs"
            try write(String(pid), to: own)
            // One that cannot be moved has ended meanwhile, or the division fails for it.
            for process in processes() where process != pid { _ = try? write(String(process), to: own) }
            try write("+cpu +memory", to: folder + "/cgroup.subtree_control")
        } catch {
            throw Missing(reason: "its control group cannot be divided: \(error.reason)")
        }
    }

    /// The processes of the group itself.
    private func processes() -> [Int32] {
        (ProcFile.text(folder + "/cgroup.procs") ?? "").split(separator: "\n").compactMap { Int32($0) }
    }

    // MARK: Engines

    /// Puts a process into a group of its own, with its limits. Throws `Missing` where the kernel refuses.
    func put(_ pid: Int32, slot: SlotName, generation: Int, limits: EngineLimits) throws(Missing) -> Leaf {
        let slotFolder = "\(folder)/slot-\(slot)"
        let leaf = Leaf(folder: "\(slotFolder)/generation-\(generation)", slotFolder: slotFolder)
        try make(slotFolder)
        let quota = limits.cpuPercent.map { String($0 * Self.periodMicroseconds / 100) } ?? "max"
        try write("\(quota) \(Self.periodMicroseconds)", to: slotFolder + "/cpu.max")
        try write("+memory", to: slotFolder + "/cgroup.subtree_control")
        try make(leaf.folder)
        if let memory = limits.memory {
            // Above it the kernel takes back what it can, before the limit ends the engine.
            try write(String(memory.bytes / 16 * 15), to: leaf.folder + "/memory.high")
            try write(String(memory.bytes), to: leaf.folder + "/memory.max")
            try write("1", to: leaf.folder + "/memory.oom.group")
        }
        try write(String(pid), to: leaf.folder + "/cgroup.procs")
        return leaf
    }

    /// How many processes of the engine the kernel ended for memory.
    func outOfMemoryKills(_ leaf: Leaf) -> Int {
        Self.count("oom_kill", in: ProcFile.text(leaf.folder + "/memory.events") ?? "")
    }

    /// Removes an engine's group, and its slot's where that was the last.
    func remove(_ leaf: Leaf) {
        rmdir(leaf.folder)
        rmdir(leaf.slotFolder)
    }

    /// A number of a file of lines `name number`; 0 where it is not there.
    static func count(_ name: String, in text: String) -> Int {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == name { return Int(words[1]) ?? 0 }
        }
        return 0
    }

    /// The kernel's own default.
    private static let periodMicroseconds = 100_000

    private func make(_ folder: String) throws(Missing) {
        guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw Self.failure(folder) }
    }

    private func write(_ text: String, to path: String) throws(Missing) {
        // On the kernel's file system the file is there; elsewhere, in tests, it is made.
        let file = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Self.failure(path) }
        defer { close(file) }
        let bytes = Array(text.utf8)
        guard Glibc.write(file, bytes, bytes.count) == bytes.count else { throw Self.failure(path) }
    }

    private static func failure(_ path: String) -> Missing {
        Missing(reason: "\(path): \(String(cString: strerror(errno)))")
    }
}
