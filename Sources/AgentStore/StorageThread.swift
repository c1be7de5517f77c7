internal import Glibc
internal import Synchronization

/// A thread of its own for an actor whose work blocks on files: neither an event loop nor the shared pool waits.
///
/// Lives as long as the process: there are few, and they sleep when there is nothing to do.
package final class StorageThread: SerialExecutor {
    /// For the journal, generations and small documents: short operations.
    package static let documents = StorageThread()
    /// For hashing and writing weights: operations that may take seconds.
    package static let blobs = StorageThread()
    /// For unpacked engines: whole trees are hashed, which blobs do not wait for.
    package static let trees = StorageThread()
    /// For the agent's own programs, a few megabytes each: whoever asks for a status waits for it.
    package static let programs = StorageThread()

    private let queue = Queue()

    package init() {
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<Queue>.fromOpaque(raw).takeRetainedValue().run()
            }, Unmanaged.passRetained(queue).toOpaque())
        // A process that cannot have six threads cannot do anything else either.
        precondition(result == 0, "the system gives no thread")
        pthread_detach(thread)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        queue.add(UnownedJob(job), executor: asUnownedSerialExecutor())
    }

    private final class Queue: Sendable {
        private struct Entry {
            let job: UnownedJob
            let executor: UnownedSerialExecutor
        }

        private let entries = Mutex<[Entry]>([])
        private let signal = Signal()

        func add(_ job: UnownedJob, executor: UnownedSerialExecutor) {
            entries.withLock { $0.append(Entry(job: job, executor: executor)) }
            signal.raise()
        }

        func run() -> Never {
            while true {
                for entry in next() { entry.job.runSynchronously(on: entry.executor) }
            }
        }

        private func next() -> [Entry] {
            signal.wait()
            return entries.withLock { entries in
                let batch = entries
                entries = []
                return batch
            }
        }
    }

    /// A counting semaphore of the system.
    ///
    /// Guard: `sem_post` and `sem_wait` are thread-safe, and the memory lives as long as the object.
    private final class Signal: @unchecked Sendable {
        private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

        init() { sem_init(semaphore, 0, 0) }

        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }

        func raise() { sem_post(semaphore) }

        func wait() {
            while sem_wait(semaphore) != 0, errno == EINTR {}
        }
    }
}
