import Foundation

/// What a figure works with: the built programs, an engine, a model, a folder of its own.
struct Workbench {
    /// The root of the checkout.
    let root: URL
    /// The release build's folder with `martlet`, `martlet-registry`, `martlet-agent`, `martlet-load`.
    let programs: URL
    /// A real llama-server.
    let llamaServer: String
    /// The base model (SmolLM2-135M-Instruct Q4_1).
    let model: String
    /// An empty folder; removed at the end.
    let folder: URL

    /// A built program's path.
    func program(_ name: String) -> String { programs.appendingPathComponent(name).path }

    /// A file of `Tests/Fixtures`.
    func fixture(_ name: String) -> String { root.appendingPathComponent("Tests/Fixtures/\(name)").path }

    /// The same workbench with a fresh folder below this one's.
    func scratch(_ name: String) throws -> Workbench {
        let child = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: child, withIntermediateDirectories: true)
        return Workbench(root: root, programs: programs, llamaServer: llamaServer, model: model, folder: child)
    }

    /// Runs a program to its end and returns what it printed; throws what it said when it failed.
    @discardableResult
    func run(_ arguments: [String], environment: [String: String] = [:]) throws -> String {
        let process = Process()
        let output = Pipe()
        let errors = folder.appendingPathComponent("stderr")
        _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let said = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
            throw BenchError("\(arguments.joined(separator: " ")) exited with \(process.terminationStatus): \(said)")
        }
        return String(decoding: data, as: UTF8.self)
    }
}

/// Why a figure could not be measured.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
