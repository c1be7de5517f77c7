internal import AgentStore
internal import ModelRuntime

/// The thread that hashes and scrubs blobs.
actor BackgroundStorage {
    nonisolated var unownedExecutor: UnownedSerialExecutor { StorageThread.blobs.asUnownedSerialExecutor() }

    /// Makes it give way, for good.
    func giveWay(niceness: Int32) { BackgroundThread.giveWay(niceness: niceness, as: "blobs") }
}
