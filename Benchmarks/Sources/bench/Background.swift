import Foundation

/// A program that runs beside the measurement; its output goes to a file.
final class Background {
    private let process = Process()
    /// Where its output and errors go.
    let log: URL

    /// Starts it. `name` is that of its log; `environment` comes on top of our own.
    init(_ program: String, _ arguments: [String], name: String, in folder: URL, environment: [String: String] = [:])
        throws
    {
        log = folder.appendingPathComponent(name + ".log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let handle = try FileHandle(forWritingTo: log)
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        try handle.close()
        Started.add(process.processIdentifier)
    }

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var output: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    /// SIGTERM, and SIGKILL after a grace; returns the exit status.
    @discardableResult
    func stop(grace seconds: Double = 10) -> Int32 {
        if process.isRunning { kill(pid, SIGTERM) }
        let end = Date() + seconds
        while process.isRunning, Date() < end { usleep(5000) }
        if process.isRunning { kill(pid, SIGKILL) }
        process.waitUntilExit()
        Started.remove(pid)
        return process.terminationStatus
    }
}

/// The processes that run now, so that an interrupted measurement leaves none behind.
enum Started {
    private static let lock = NSLock()
    /// Guarded by `lock`.
    nonisolated(unsafe) private static var pids: Set<Int32> = []

    static func add(_ pid: Int32) { lock.withLock { _ = pids.insert(pid) } }
    static func remove(_ pid: Int32) { lock.withLock { _ = pids.remove(pid) } }
    static func endAll() { lock.withLock { for pid in pids { kill(pid, SIGTERM) } } }
}

/// Waits until something holds, looking every 20 ms where nothing else is said.
func wait(
    for what: String, within seconds: Double = 60, every interval: useconds_t = 20_000, until holds: () throws -> Bool
) throws {
    let end = Date() + seconds
    while try !holds() {
        guard Date() < end else { throw BenchError("never within \(seconds) s: \(what)") }
        usleep(interval)
    }
}

/// Milliseconds that something takes.
func milliseconds(_ work: () throws -> Void) rethrows -> Double {
    let parts = try ContinuousClock().measure(work).components
    return Double(parts.seconds) * 1000 + Double(parts.attoseconds) / 1e15
}
