import ArgumentParser
import FoundationEssentials
import Glibc
import MartletTypes
import RegistryClient
import RolloutPolicyFile

/// Exit codes of sysexits(3), so that scripts can tell a wrong argument from a registry that is away.
enum ExitStatus {
    static let usage: Int32 = 64
    static let data: Int32 = 65
    static let unavailable: Int32 = 69
    static let software: Int32 = 70
    static let files: Int32 = 74
    static let `protocol`: Int32 = 76
    static let denied: Int32 = 77
    static let configuration: Int32 = 78
    /// EX_TEMPFAIL: what was waited for goes on once a person says so (a rollout that is paused, a wave to confirm).
    static let waits: Int32 = 75
    /// Not of sysexits: what was waited for ended badly (a rollout that was aborted,
    /// rolled back, or moved nobody).
    static let failed: Int32 = 1

    /// What `--help` says of them.
    static let help = """
        Exit codes: 0 done, 1 what was waited for failed, 64 wrong usage, 65 refused input, 69 registry away, \
        70 defect, 74 file or disk, 75 a person is waited for, 76 registry not to be trusted, 77 not permitted, \
        78 not set up.
        """

    /// Prints an error on standard error, as text or as `{code, message, remedy}`, and ends the process.
    ///
    /// What the argument parser throws to show help, a version or completions is not an error: it is left to it.
    static func end(with error: any Error, of command: (some ParsableCommand).Type) -> Never {
        let format = OutputFormat.requested(
            Array(CommandLine.arguments.dropFirst()), ProcessInfo.processInfo.environment)
        if let known = error as? any MartletError {
            let issues = (error as? PolicyFileError)?.issues
            report(ErrorReport(code: known.code, message: known.message, remedy: known.remedy, issues: issues), format)
            exit(code(of: known))
        }
        let status = command.exitCode(for: error).rawValue
        guard format == .json, status != 0, !(error is ExitCode) else { command.exit(withError: error) }
        let isUsage = status == usage
        report(
            ErrorReport(
                code: isUsage ? "usage" : "failed", message: command.message(for: error),
                remedy: isUsage ? "See `martlet --help`, or --help of the command." : ""), format)
        exit(status)
    }

    private static func report(_ report: ErrorReport, _ format: OutputFormat) {
        guard format == .json, let bytes = try? JSONText.encode(report, pretty: true) else {
            var text = "martlet: \(report.message)\n"
            if !report.remedy.isEmpty { text += "  \(report.remedy)\n" }
            return StandardError.write(Printable.text(text, keepingLines: true))
        }
        StandardError.write(String(decoding: bytes, as: UTF8.self) + "\n")
    }

    static func code(of error: any MartletError) -> Int32 {
        if let status = (error as? ClientError)?.status, [401, 403].contains(status) { return denied }
        return switch (error.code, error.fault) {
        case ("notLoggedIn", _), ("noTrustedRoot", _), ("noPublisherKey", _), ("configurationUnreadable", _):
            configuration
        case ("waitFailed", _): failed
        case ("waitsForPerson", _): waits
        case (_, .transport): unavailable
        case (_, .environment): files
        case (_, .caller): data
        case (_, .peer): `protocol`
        case (_, .us): software
        }
    }
}

/// An error as programs read it.
struct ErrorReport: Codable, Equatable {
    let code: String
    let message: String
    let remedy: String
    /// Of a policy file each fault with its place.
    var issues: [PolicyIssue]?
}

/// Standard error, unbuffered, without the C stream that Swift 6 cannot share.
enum StandardError {
    static func write(_ text: String) { write(text, to: 2) }

    static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Whether a person looks at it, on something that can redraw a line.
    static var isTerminal: Bool { isatty(2) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb" }
}

/// What the command line itself finds wrong.
struct CommandError: MartletError {
    let code: String
    let message: String
    let remedy: String
    let fault: ErrorFault

    init(_ code: String, _ message: String, remedy: String = "", fault: ErrorFault = .caller) {
        self.code = code
        self.message = message
        self.remedy = remedy
        self.fault = fault
    }
}
