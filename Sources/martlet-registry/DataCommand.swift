import ArgumentParser
import Foundation
import Logging
import MartletTypes
import RegistryServer

/// What all commands on a data folder share.
enum DataCommand {
    static let clock: Clock = { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }

    static var logger: Logger { Logger(label: "martlet-registry") { StreamLogHandler.standardError(label: $0) } }

    /// The folder that was given, by option or environment.
    static func folder(_ given: String?) throws -> String {
        var flags: [RegistryOption: String] = [:]
        flags[.data] = given
        return try folder(RegistryOptions(flags: flags, environment: ProcessInfo.processInfo.environment))
    }

    /// The same, from all that was given.
    static func folder(_ options: RegistryOptions) throws -> String {
        guard let folder = options[.data]?.value else {
            throw ValidationError("Give the data folder: --data DIR, or MARTLET_REGISTRY_DATA.")
        }
        return folder
    }

    /// Runs `body`; an error of ours is told in one line, with its exit code of sysexits.h.
    static func run(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as any MartletError {
            FileHandle.standardError.write(Data("martlet-registry: \(error)\n".utf8))
            throw ExitCode(Serve.status(of: error))
        }
    }
}
