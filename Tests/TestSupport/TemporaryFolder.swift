public import Foundation

/// A scratch folder that is removed with its last reference.
public final class TemporaryFolder: Sendable {
    /// Where it is.
    public let url: URL
    /// Its path as text.
    public var path: String { url.path }

    /// Makes a folder whose name begins with `name`.
    public init(_ name: String = "martlet") throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    /// A path inside the folder.
    public func file(_ name: String) -> String { url.appendingPathComponent(name).path }

    deinit { try? FileManager.default.removeItem(at: url) }
}
