import ArgumentParser
import Glibc
import MartletTypes

/// Makes and reads repositories for the benchmark of trust; not a product.
@main
struct TrustBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust-bench", abstract: "Make a TUF repository of many releases, and check one as a device does.",
        subcommands: [MakeCommand.self, CheckCommand.self])

    /// What both sides agree on.
    static let namespace = "clinic"
    static let assigned = "clinic/triage/1.0.0"
    static let device = "box-1"

    static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec))
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "wbe") else { throw ValidationError("\(path) cannot be written.") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else {
            throw ValidationError("\(path) cannot be written.")
        }
    }
}
