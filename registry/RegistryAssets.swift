/// The files that `martlet-registry` carries with it: migrations, OpenAPI document, page templates, styles.
///
/// The contents stand in `Assets.generated.swift`, which `make assets` writes from the folders beside this file.
package enum RegistryAssets {
    /// The text of one file, by its path below `registry/`; nil when there is none.
    package static func text(_ path: String) -> String? { files[path] }

    /// The paths of all text files below a folder such as `migrations`, in byte order.
    package static func paths(under folder: String) -> [String] {
        files.keys.filter { $0.hasPrefix(folder + "/") }.sorted()
    }
}
