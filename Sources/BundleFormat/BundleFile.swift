internal import MartletTypes
internal import Synchronization

/// A bundle that is read, as something that can be handed between threads; see `BundleReader`.
///
/// One call at a time; blocks while reading.
package final class BundleFile: Sendable {
    private let reader: Mutex<BundleReader>

    /// Opens a file.
    package init(path: String) throws(BundleError) { reader = Mutex(try BundleReader(path: path)) }

    /// Reads from an open file, pipe or socket, which belongs to this object from now on.
    package init(descriptor: Int32) throws(BundleError) {
        reader = Mutex(try BundleReader(descriptor: descriptor))
    }

    /// Everything before the blobs. To be called first, once.
    package func front() throws -> BundleFront { try reader.withLock { try $0.front() } }

    /// The next blob, to be read with `read` or passed over; nil at the end.
    package func nextBlob() throws -> BundledBlob? { try reader.withLock { try $0.nextBlob() } }

    /// Streams the bytes of the blob that `nextBlob` returned.
    package func read(to sink: @Sendable (UnsafeRawBufferPointer) throws -> Void) throws {
        try reader.withLock { try $0.read(to: sink) }
    }
}
