import Foundation

/// The C compiler of this machine; the Swift toolchain brings a clang and a linker.
public enum CCompiler {
    /// Runs it; what it says against the sources is the error.
    public static func build(_ arguments: [String]) async throws {
        let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
        let compiler = ["clang", "cc", "gcc"].flatMap { name in folders.map { "\($0)/\(name)" } }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let compiler else { throw NeverTrue(description: "no C compiler in PATH; the Swift toolchain has clang") }
        let done = try await run(compiler, arguments)
        guard done.status == 0 else {
            throw NeverTrue(description: "\(arguments.last ?? "") does not compile: \(done.errors)")
        }
    }
}
