import ArgumentParser
import Glibc
import MartletTypes

/// Exit codes of sysexits(3), so that scripts and systemd can tell a wrong file from a registry that is away.
enum ExitStatus {
    static let usage: Int32 = 64
    static let unavailable: Int32 = 69
    static let software: Int32 = 70
    static let cannotCreate: Int32 = 73
    static let files: Int32 = 74
    static let `protocol`: Int32 = 76
    static let denied: Int32 = 77
    static let configuration: Int32 = 78

    /// Runs a command's work; an error of ours is printed with what to do next, and ends the process with its code.
    static func reporting(_ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch let error as any MartletError {
            var text = "martlet-agent: \(error.message) [\(error.code)]\n"
            if !error.remedy.isEmpty { text += "  \(error.remedy)\n" }
            StandardStream.error.write(text)
            throw ExitCode(code(of: error))
        }
    }

    static func code(of error: any MartletError) -> Int32 {
        switch error.code {
        case "invalidValue", "unknownSlot": usage
        case "invalidConfiguration", "notEnrolled", "keysRequired", "socketPathTooLong": configuration
        case "portInUse", "cannotListen", "alreadyRunning", "notRunning", "engineMissing", "engineNotStarted":
            unavailable
        case "alreadyEnrolled", "deviceNameTaken", "diskFull", "readOnly": cannotCreate
        case "joinTokenRefused", "untrusted", "heldDevice", "renewalRefused", "bundleRefused", "bundleExpired",
            "bundleForOthers", "offlineInstallRefused", "localRollbackRefused":
            denied
        default:
            switch error.fault {
            case .transport: unavailable
            case .environment: files
            case .peer: `protocol`
            case .caller: usage
            case .us: software
            }
        }
    }
}

/// Standard output and error, unbuffered, without the C streams that Swift 6 cannot share.
enum StandardStream: Int32 {
    case output = 1
    case error = 2

    func write(_ text: String) {
        let bytes = Array(text.utf8)
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(rawValue, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }
}
