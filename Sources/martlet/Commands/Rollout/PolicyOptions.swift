import ArgumentParser
import Glibc
import MartletTypes
import RolloutPolicyFile

/// How a rollout moves: a policy file, and flags that win over its values one by one.
struct PolicyOptions: ParsableArguments {
    @Option(
        help: "A file that says how it moves; see `martlet rollout policy example`. Flags win.", completion: .file())
    var policy: String?
    @Option(
        help: "A wave's cumulative size: a count or a share like 20%. The last wave takes the rest.",
        transform: RolloutPolicy.WaveSize.init)
    var wave: [RolloutPolicy.WaveSize] = []
    @Flag(help: "Wait for `martlet rollout confirm` after each wave of --wave.") var confirm = false
    @Option(help: "How long each device proves the release before it counts (default: 10s).", transform: TimeSpan.init)
    var soak: TimeSpan?
    @Option(help: "Stop when more devices than this have failed (default: 0).", transform: Count.natural)
    var maxFailures: Int?
    @Option(help: "Devices at work at once; without it as many as a wave has.", transform: Count.positive)
    var maxInFlight: Int?
    @Option(help: "Devices started per minute; without it as many as may be at work.", transform: Count.positive)
    var perMinute: Int?
    @Option(
        help: "How long a device may take before it is given up, e.g. 1h (default: a day).",
        transform: TimeSpan.init)
    var deadline: TimeSpan?
    @Option(
        help: "Devices begin only then, by their own clocks, e.g. 'mon-fri 22:00-05:00'; may be repeated.",
        transform: Notations.window)
    var window: [MaintenanceWindow] = []
    @Option(help: "What fetching may take on each device, e.g. 2MB/s.", transform: Notations.bandwidth)
    var bandwidth: Int64?
    @Option(help: "What follows when it fails (default: pause).")
    var onFailure: RolloutPolicy.OnFailure?

    /// The file's policy, or the usual one, with what the flags say.
    func file() throws -> RolloutPolicyFile {
        var file = try policy.map(PolicyText.read) ?? RolloutPolicyFile()
        if confirm, wave.isEmpty, file.policy.waves.isEmpty {
            throw ValidationError("--confirm needs waves to confirm; add --wave 10%.")
        }
        if !wave.isEmpty { file.policy.waves = wave.map { RolloutWave(size: $0) } }
        if confirm { for index in file.policy.waves.indices { file.policy.waves[index].confirm = true } }
        if let soak { file.policy.soakSeconds = Int(soak.seconds) }
        if let maxFailures { file.policy.maxFailures = maxFailures }
        if let maxInFlight { file.policy.maxInFlight = maxInFlight }
        if let perMinute { file.policy.rate = RolloutRate(perMinute: Double(perMinute)) }
        if let deadline { file.policy.deviceDeadlineSeconds = Int(deadline.seconds) }
        if !window.isEmpty { file.policy.conditions.windows = window }
        if let bandwidth { file.policy.conditions.bytesPerSecond = bandwidth }
        if let onFailure { file.policy.onFailure = onFailure }
        return file
    }
}

/// Values of flags that are spelled as in policy files.
enum Notations {
    /// Throws `InvalidValue`.
    static func window(_ text: String) throws -> MaintenanceWindow {
        guard let window = PolicyNotation.window(text) else {
            throw InvalidValue(kind: "maintenance window", value: text, rule: PolicyNotation.windowRule)
        }
        return window
    }

    /// Throws `InvalidValue`.
    static func bandwidth(_ text: String) throws -> Int64 {
        guard let rate = PolicyNotation.bytesPerSecond(text), rate > 0 else {
            throw InvalidValue(kind: "bandwidth", value: text, rule: "bytes per second, e.g. 20MB/s or 8Mbit/s")
        }
        return rate
    }
}

/// Policy files of the operator's own; `-` is standard input.
enum PolicyText {
    /// Reads no more than a policy may have, so that a device file or a pipe without end is refused.
    static func read(_ path: String) throws -> RolloutPolicyFile {
        let descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { if descriptor > 0 { close(descriptor) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count <= PolicyFileLimits.bytes {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            if count == 0 { break }
            bytes += buffer.prefix(count)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandError("policyInvalid", "\(path) is no text in UTF-8.", remedy: "Save it as UTF-8.")
        }
        return try RolloutPolicyFile(yaml: text, name: path == "-" ? "standard input" : path)
    }

    private static func unreadable(_ path: String) -> CommandError {
        CommandError(
            "fileUnreadable", "Cannot read \(path): \(String(cString: strerror(errno))).",
            remedy: "Check that it exists and that you may read it.")
    }
}
