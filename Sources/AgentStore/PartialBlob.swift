package import MartletTypes
internal import Synchronization

/// A blob that is being fetched: hashed while it is written, continued where an earlier run stopped.
///
/// `append` may be called from any thread, one at a time; the lock makes a mistake there harmless.
package final class PartialBlob: Sendable {
    /// What it must become.
    package let digest: Digest
    /// How long it must become.
    package let size: ByteCount
    private let state: Mutex<State>

    private struct State: ~Copyable, Sendable {
        let file: any StoredFile
        var hasher: DigestHasher?
        var written: Int64
        var isOpen = true

        mutating func close() {
            file.close()
            isOpen = false
        }
    }

    init(digest: Digest, size: ByteCount, file: any StoredFile, hasher: consuming DigestHasher, written: Int64) {
        self.digest = digest
        self.size = size
        state = Mutex(State(file: file, hasher: hasher, written: written))
    }

    /// How much is there: the offset to go on from.
    package var offset: ByteCount { ByteCount(state.withLock { $0.written }) }

    /// Whether it still can be written to.
    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Writes and hashes the next piece. Throws `lengthMismatch` beyond the promised length, or what the disk says:
    /// then
    /// part of the piece may be there, so that it has to be opened anew.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(AgentStoreError) {
        try state.withLock { (state) throws(AgentStoreError) in
            guard state.written + Int64(bytes.count) <= size.bytes else {
                throw AgentStoreError(
                    .lengthMismatch, "\(digest) goes on beyond the \(size.bytes) bytes that its manifest promises.")
            }
            guard state.isOpen else { throw Self.isOver(digest) }
            do throws(AgentStoreError) {
                try state.file.write(bytes)
            } catch {
                state.close()
                throw error
            }
            state.hasher?.update(bytes)
            state.written += Int64(bytes.count)
        }
    }

    /// Ends writing: on the disk, and with the digest of all that was written.
    func finish() throws(AgentStoreError) -> (digest: Digest, written: Int64) {
        try state.withLock { (state) throws(AgentStoreError) in
            guard state.isOpen, let hasher = state.hasher.take() else { throw Self.isOver(digest) }
            defer { state.close() }
            try state.file.synchronize()
            return (hasher.finish(), state.written)
        }
    }

    /// Stops writing; what is there is kept for the next time.
    package func close() {
        state.withLock { $0.close() }
    }

    static func isOver(_ digest: Digest) -> AgentStoreError {
        AgentStoreError(.storageFailed, "\(digest) was finished or given up and has to be opened anew.")
    }
}
