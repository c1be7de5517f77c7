import Foundation
import TestSupport

/// Mounts that one program and what it starts see, and nobody else.
enum OwnMounts {
    /// Whether this user may make them: root may, in most containers too. Tried once.
    static var arePossible: Bool { get async { await trial.value } }

    private static let trial = Task {
        guard let folder = try? TemporaryFolder("mounts") else { return false }
        let words = command(#"mount --bind "$0" "$0""#, [folder.path]) + ["/bin/true"]
        return (try? await run(words[0], Array(words.dropFirst())))?.status == 0
    }

    /// What to start a program under: `script` mounts, with `arguments` as `$0` and so on, which it shifts away.
    static func command(_ script: String, _ arguments: [String]) -> [String] {
        let shift = arguments.count > 1 ? "shift \(arguments.count - 1) && " : ""
        let words = ["/usr/bin/unshare", "-m", "--propagation", "private", "/bin/sh", "-c"]
        return words + ["\(script) && \(shift)exec \"$@\""] + arguments
    }
}

/// A board of which the test says how warm it is and what memory it has, for one agent and its engines.
struct Board: Sendable {
    private let zones: String
    private let memory: String

    /// Whether this machine lets us show such a board to an agent.
    static var isPossible: Bool {
        get async {
            guard FileManager.default.fileExists(atPath: "/sys/class/thermal") else { return false }
            return await OwnMounts.arePossible
        }
    }

    /// Its sensors by name, all of them cool; its memory is that of this machine until the test says otherwise.
    init(_ site: Site, sensors: [String]) throws {
        zones = site.folder.file("thermal")
        memory = site.folder.file("meminfo")
        for (number, name) in sensors.enumerated() {
            let zone = "\(zones)/thermal_zone\(number)"
            try FileManager.default.createDirectory(atPath: zone, withIntermediateDirectories: true)
            try "\(name)\n".write(toFile: zone + "/type", atomically: true, encoding: .utf8)
            try heat(40, sensor: number)
        }
        try KernelFile.text("/proc/meminfo").write(toFile: memory, atomically: true, encoding: .utf8)
    }

    func heat(_ celsius: Int, sensor: Int = 0) throws {
        try "\(celsius)000\n".write(
            toFile: "\(zones)/thermal_zone\(sensor)/temp", atomically: true, encoding: .utf8)
    }

    /// The memory that an agent finds which is started from now on.
    func hold(kibibytes total: Int64, available: Int64) throws {
        let text = "MemTotal: \(total) kB\nMemFree: \(available) kB\nMemAvailable: \(available) kB\n"
        try text.write(toFile: memory, atomically: true, encoding: .utf8)
    }

    /// What to start an agent under, so that it finds itself on this board.
    var command: [String] {
        OwnMounts.command(
            #"mount --bind "$0" /sys/class/thermal && mount --bind "$1" /proc/meminfo"#, [zones, memory])
    }
}
