import Glibc

/// A file system of a few hundred KiB or MiB, to fill it; gone with its last reference.
public final class SmallDisk: Sendable {
    /// The machine mounted none.
    public struct NotMounted: Error {
        /// The number of the system's error.
        public let number: Int32
    }

    private let folder: TemporaryFolder?
    /// Where it is mounted.
    public let path: String

    /// Whether this machine lets us mount one: only root may, outside a sandbox.
    public static let isPossible = (try? SmallDisk(kibibytes: 64)) != nil

    /// Mounts one of that size, on the folder `place` or on one of its own.
    public init(kibibytes: Int, on place: String? = nil) throws {
        folder = try place == nil ? TemporaryFolder("small-disk") : nil
        path = place ?? folder?.path ?? ""
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(kibibytes)k") == 0 else {
            throw NotMounted(number: errno)
        }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }
}
