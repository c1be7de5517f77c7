import ArgumentParser
import Foundation
import MartletTypes
import RegistryServer

/// `martlet-registry backup DIR`.
struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy a registry's data folder, while it runs.",
        discussion: """
            Into a folder that has a backup already only what is new is copied. The former backup stays whole until \
            the new one is: a run that is cut off, or finds no room, leaves it as it was. A backup holds the \
            registry's online keys: keep it as safe as the registry itself.

            Example: martlet-registry backup --data /var/lib/martlet-registry /mnt/backup
            """)

    @Argument(help: "The folder of the backup.") var backup: String
    @Option(help: "The folder of the registry, or MARTLET_REGISTRY_DATA.") var data: String?

    @Flag(help: "Read what the backup has already too, and copy anew what is damaged there.") var verify = false

    func run() async throws {
        try await DataCommand.run {
            let summary = try await RegistryBackup(dataFolder: try DataCommand.folder(data), clock: DataCommand.clock)
                .run(to: backup, verifies: verify)
            print(
                "Backup of \(summary.created) in \(backup): \(summary.blobs) blobs of \(summary.bytes), "
                    + "\(summary.copied) of them copied now.")
            guard verify else { return }
            print(
                summary.mended == 0
                    ? "All that was there before is whole."
                    : "\(summary.mended) blobs were damaged there and are whole again: mistrust that disk.")
        }
    }
}

/// `martlet-registry restore DIR`.
struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a data folder from a backup.",
        discussion: """
            Every byte is checked. Assignments and metadata go on above what devices may have seen since the backup; \
            rollouts that were under way are paused, and join tokens are void. Operators' tokens are listed and \
            revoked, because some may have been revoked since: the first start makes a new one for an admin. Devices \
            that were revoked after the backup are not any more: revoke them again.

            Example: martlet-registry restore --data /var/lib/martlet-registry /mnt/backup
            """)

    @Argument(help: "The folder of the backup.") var backup: String
    @Option(help: "The empty folder that becomes the registry's, or MARTLET_REGISTRY_DATA.") var data: String?

    @Flag(help: "Leave operators' tokens valid, as they were at the time of the backup.") var keepTokens = false

    func run() async throws {
        try await DataCommand.run {
            let folder = try DataCommand.folder(data)
            let outcome = try await RegistryRestore(
                dataFolder: folder, clock: DataCommand.clock, logger: DataCommand.logger
            ).run(from: backup, keepsTokens: keepTokens)
            let summary = outcome.backup
            print(
                "Restored the backup of \(summary.created) into \(folder): \(summary.blobs) blobs of \(summary.bytes).")
            for token in outcome.tokens {
                let end = token.expires.map { ", ends \($0)" } ?? ""
                print("  token \(token.name): \(token.role), made \(token.created)\(end)")
            }
            print(
                keepTokens
                    ? "These tokens are valid: revoke again those that were revoked since (`martlet token revoke`)."
                    : "These tokens are revoked. The first start makes a new one for an admin.")
            print(
                "Revoke again the devices that were revoked since, then look at `martlet status`: it names what "
                    + "devices have seen newer.")
        }
    }
}
