import Glibc
import MartletTypes
import RegistryAssets

/// The files of `registry/`: from the executable, or from a folder while they are being edited.
struct Assets: Sendable {
    let folder: String?

    /// The text of a file, by its path below `registry/`; nil where there is none.
    func text(_ path: String) throws -> String? {
        guard let folder else { return RegistryAssets.text(path) }
        guard !path.split(separator: "/").contains("..") else { return nil }
        return try DataFolder(path: folder).read("\(folder)/\(path)", limit: Limits.apiBodyBytes)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// The texts directly below a folder whose names end in `.suffix`, by name without it.
    func texts(under name: String, suffix: String) throws -> [String: String] {
        var texts: [String: String] = [:]
        for path in RegistryAssets.paths(under: name) where path.hasSuffix("." + suffix) {
            let stem = path.dropFirst(name.count + 1).dropLast(suffix.count + 1)
            texts[String(stem)] = try text(path)
        }
        return texts
    }
}
