import Foundation

/// Where things stand in the checkout.
public enum Checkout {
    /// The top folder, found from this file.
    public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// A file under `Tests/Fixtures`.
    public static func fixture(_ name: String) -> String { root + "/Tests/Fixtures/" + name }

    /// An executable of the package, beside the test bundle that runs.
    public static func product(_ name: String) -> String {
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
    }

    /// The real llama-server, as the scripts find it; nil where `make test` has not obtained it.
    public static var llamaServer: String? {
        let environment = ProcessInfo.processInfo.environment
        if let given = environment["MARTLET_LLAMA_SERVER"] { return given }
        for folder in (environment["PATH"] ?? "").split(separator: ":") {
            let path = "\(folder)/llama-server"
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        let path = cache + "/llama.cpp/bin/llama-server"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }

    /// The folder of a really different build of llama.cpp, where there is one: `scripts/bootstrap.sh full` makes it.
    public static var otherLlama: String? {
        let folder = cache + "/other/llama.cpp"
        return FileManager.default.isExecutableFile(atPath: folder + "/bin/llama-server") ? folder : nil
    }

    /// Where scripts keep what they fetched.
    private static var cache: String {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["HOME"] ?? "/root"
        return environment["MARTLET_CACHE"] ?? (environment["XDG_CACHE_HOME"] ?? home + "/.cache") + "/martlet"
    }
}
