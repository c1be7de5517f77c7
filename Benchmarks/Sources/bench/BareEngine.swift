import Foundation

/// A llama-server without Martlet, started with the arguments that an agent gave its own, on a TCP port.
final class BareEngine {
    private let workbench: Workbench
    private let shared: [String]
    private let port: Int
    private var process: Background?

    var address: String { "http://127.0.0.1:\(port)" }

    /// The program's, while it runs.
    var pid: Int32 {
        get throws {
            guard let process else { throw BenchError("the bare engine does not run") }
            return process.pid
        }
    }

    /// Takes over the arguments of the engine that an agent runs, but not its socket and its files.
    init(like device: Site.Device, _ workbench: Workbench) throws {
        self.workbench = workbench
        guard var arguments = Self.engineArguments(below: device.agent.pid) else {
            throw BenchError("\(device.name) runs no engine")
        }
        for flag in ["--host", "--model", "--lora", "--lora-scaled"] {
            if let index = arguments.firstIndex(of: flag) { arguments.removeSubrange(index...index + 1) }
        }
        shared = arguments
        port = try freePort()
    }

    /// Starts it and waits until it is ready: one or two files, a model and an adapter.
    func start(_ files: [String]) throws {
        let adapter = files.count > 1 ? ["--lora", files[1]] : []
        let engine = try Background(
            workbench.llamaServer,
            ["--host", "127.0.0.1", "--port", "\(port)", "--model", files[0]] + adapter + shared,
            name: "bare-\(UUID().uuidString)", in: workbench.folder)
        process = engine
        try wait(for: "the bare engine's health") {
            guard engine.isRunning else { throw BenchError("llama-server ended: \(engine.output.suffix(1000))") }
            return (try? workbench.run(["curl", "-sf", "--max-time", "2", address + "/health"])) != nil
        }
    }

    /// SIGTERM, and SIGKILL after the ten seconds that `docker stop` gives.
    func stop() {
        process?.stop(grace: 10)
        process = nil
    }

    /// What follows the program's name in the command line of the engine among a process's descendants.
    private static func engineArguments(below pid: Int32) -> [String]? {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        let children = tasks.flatMap { task in
            (try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/children", encoding: .utf8))?
                .split(separator: " ").compactMap { Int32($0) } ?? []
        }
        for child in children {
            let bytes = FileManager.default.contents(atPath: "/proc/\(child)/cmdline") ?? Data()
            let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            // The real program may stand behind a loader with words of its own.
            if words.contains("--model"), let host = words.firstIndex(of: "--host") { return Array(words[host...]) }
            if let found = engineArguments(below: child) { return found }
        }
        return nil
    }
}

/// A port of the loopback interface that was free a moment ago.
private func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { socket in
            bind(descriptor, socket, length) == 0 && getsockname(descriptor, socket, &length) == 0
        }
    }
    guard bound else { throw BenchError("no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
}
