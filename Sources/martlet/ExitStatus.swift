import ArgumentParser
import Glibc
import MartletTypes
import RegistryClient

/// Exit codes of sysexits(3), so that scripts can tell a wrong argument from a registry that is away.
enum ExitStatus {
    static let usage: Int32 = 64
    static let data: Int32 = 65
    static let unavailable: Int32 = 69
    static let software: Int32 = 70
    static let temporary: Int32 = 75
    static let denied: Int32 = 77
    static let configuration: Int32 = 78
    /// Not of sysexits: what was waited for ended badly (a rollout that stopped).
    static let failed: Int32 = 1

    /// Prints an error of ours on standard error and ends; leaves errors of the argument parser to it.
    static func end(with error: any Error, of command: (some ParsableCommand).Type) -> Never {
        guard let known = error as? any MartletError else { command.exit(withError: error) }
        var text = "martlet: \(known.message)\n"
        if !known.remedy.isEmpty { text += "  \(known.remedy)\n" }
        StandardError.write(text)
        exit(code(of: known))
    }

    private static func code(of error: any MartletError) -> Int32 {
        switch (error.code, error.fault) {
        case ("unauthorized", _), ("forbidden", _), ("insufficientRole", _): denied
        case ("notLoggedIn", _), ("noTrustedRoot", _), ("noPublisherKey", _): configuration
        case ("waitFailed", _): failed
        case (_, .transport): unavailable
        case (_, .environment): temporary
        case (_, .caller): data
        case (_, .peer), (_, .us): software
        }
    }
}

/// Standard error, unbuffered, without the C stream that Swift 6 cannot share.
enum StandardError {
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(2, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Whether a person looks at it.
    static var isTerminal: Bool { isatty(2) == 1 }
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
