import MartletTypes
import RegistryServer
import TestSupport

extension RegistryFixture {
    /// Makes a backup of the data folder, whether the registry runs or not.
    @discardableResult
    func backup(
        to target: String, verifies: Bool = false,
        onStep: @escaping @Sendable (String) throws -> Void = { _ in }
    ) async throws -> BackupSummary {
        let clock = clock
        return try await RegistryBackup(dataFolder: data, clock: { clock.now }, onStep: onStep)
            .run(to: target, verifies: verifies)
    }
}

/// Restores a backup into a folder.
@discardableResult
func restore(
    _ backup: String, into folder: String, keepsTokens: Bool = true
) async throws -> RegistryRestore.Outcome {
    let clock = TestClock()
    return try await RegistryRestore(dataFolder: folder, clock: { clock.now }, logger: .silent)
        .run(from: backup, keepsTokens: keepsTokens)
}

/// The code of the error that ends a body, or what it says; nil where none does.
func errorCode(_ body: () async throws -> Void) async -> String? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? any MartletError)?.code ?? "\(error)"
    }
}
