import Foundation

/// A program that a test started: its output goes to a file, and it is ended with the last reference.
public final class RunningProcess: Sendable {
    private let child: ChildProcess
    /// Where standard output and standard error go.
    public let log: String

    /// Starts `executable`; its environment is this process's with `environment` on top.
    public init(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], log: String
    ) throws {
        self.log = log
        guard FileManager.default.createFile(atPath: log, contents: nil) else { throw CocoaError(.fileNoSuchFile) }
        child = try ChildProcess(
            executable, arguments, environment: environment, output: .file(log), errors: .file(log))
    }

    /// Its process id.
    public var pid: Int32 { child.pid }
    /// Whether it still runs.
    public var isRunning: Bool { child.exitCode == nil }
    /// All that it printed so far.
    public var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    /// What it said last; of one that crashed what it said before, and where.
    public var lastWords: String {
        let output = output
        guard let crash = output.firstRange(of: "Program crashed") else { return String(output.suffix(3000)) }
        return String(output[..<crash.lowerBound].suffix(2000) + output[crash.lowerBound...].prefix(12_000))
    }

    /// Sends a signal; harmless after its end.
    public func signal(_ number: Int32) { if isRunning { kill(pid, number) } }

    /// Whether a signal would find a handler: a program that has just been started would be ended by it.
    public func catches(_ number: Int32) throws -> Bool {
        let status = try KernelFile.text("/proc/\(pid)/status")
        let caught = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }?.dropFirst("SigCgt:".count)
        let mask = caught.flatMap { UInt64($0.drop { $0.isWhitespace }, radix: 16) } ?? 0
        return mask & 1 << UInt64(number - 1) != 0
    }

    /// Asks it to end, waits, and returns the exit code; kills it after `seconds`, or several
    /// times as long on a busy machine.
    @discardableResult
    public func stop(within seconds: Double = 20) async throws -> Int32 {
        signal(SIGTERM)
        do {
            return try await exitCode(within: seconds)
        } catch {
            signal(SIGKILL)
            return try await exitCode(within: 5)
        }
    }

    /// Waits for its end. `isPatient` as in `eventually`.
    public func exitCode(within seconds: Double, isPatient: Bool = true) async throws -> Int32 {
        try await eventually(within: seconds, isPatient: isPatient, "process \(pid) ends") { !self.isRunning }
        return child.exitCode ?? -1
    }

    deinit { if isRunning { kill(pid, SIGKILL) } }
}

/// What a program that ran to its end left behind.
public struct Finished: Sendable {
    /// The exit code.
    public let status: Int32
    /// Its standard output.
    public let output: String
    /// Its standard error.
    public let errors: String

    /// What a program left, as a test that ran it by itself found it.
    public init(status: Int32, output: String, errors: String) {
        self.status = status
        self.output = output
        self.errors = errors
    }
}

/// Runs a program to its end without blocking the cooperative pool; kills it after five minutes.
public func run(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:]
) async throws -> Finished {
    let folder = try TemporaryFolder("run")
    let (out, err) = (folder.file("out"), folder.file("err"))
    let child = try ChildProcess(
        executable, arguments, environment: environment, output: .file(out), errors: .file(err))
    // One that should have ended by itself must not keep the whole run waiting.
    let watch = Task {
        try await Task.sleep(for: .seconds(300))
        kill(child.pid, SIGKILL)
    }
    let status = await child.wait()
    watch.cancel()
    return Finished(
        status: status, output: (try? String(contentsOfFile: out, encoding: .utf8)) ?? "",
        errors: (try? String(contentsOfFile: err, encoding: .utf8)) ?? "")
}

/// A condition that did not come true in time.
public struct NeverTrue: Error, CustomStringConvertible {
    /// What never came true.
    public let description: String

    /// Says what never came true.
    public init(description: String) { self.description = description }
}

/// How much longer than on an idle machine a condition may take: a machine that does something else besides gets each
/// core for a quarter of the time.
private let patience = 4.0

/// Waits until `condition` holds, looking every 20 ms; throws `NeverTrue` after `seconds`, or several times as long on
/// a busy machine. With `isPatient` false the time is kept, for conditions that may well not come true.
public func eventually(
    within seconds: Double, isPatient: Bool = true, _ what: String,
    _ condition: @Sendable () async throws -> Bool
) async throws {
    let seconds = isPatient ? seconds * patience : seconds
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
        if try await condition() { return }
        guard ContinuousClock.now < end else { throw NeverTrue(description: "never within \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// A port of the loopback interface that was free a moment ago.
public func freePort() throws -> Int {
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
    guard bound else { throw NeverTrue(description: "no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
}
