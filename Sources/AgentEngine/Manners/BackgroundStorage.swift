internal import AgentStore
internal import ModelRuntime

/// The threads that hash and scrub: of blobs, and of unpacked engines.
actor BackgroundStorage {
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private let thread: StorageThread

    private init(_ thread: StorageThread) { self.thread = thread }

    /// Makes them give way, for good.
    static func giveWay(niceness: Int32) async {
        await BackgroundStorage(.blobs).lower(niceness, as: "blobs")
        await BackgroundStorage(.trees).lower(niceness, as: "trees")
    }

    private func lower(_ niceness: Int32, as name: String) {
        BackgroundThread.giveWay(niceness: niceness, as: name)
    }
}
