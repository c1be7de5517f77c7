internal import AgentStore
internal import Logging
internal import MartletTypes
internal import RegistryClient
internal import Trust

extension TrustKeeper {
    /// Turns to the next of the addresses that the owner named, because the present one does not answer.
    ///
    /// Returns the new address; nil where there is no other.
    func turnToNextAddress() async throws -> String? {
        guard let bytes = try await store.journal.fact(Self.factName), var identity = try store.identity.load() else {
            return nil
        }
        let addresses = try TrustDocument(parsing: bytes).addresses
        let index = addresses.firstIndex(of: identity.registry) ?? addresses.count - 1
        guard addresses.count > 1, addresses.indices.contains(index) else { return nil }
        let next = addresses[(index + 1) % addresses.count]
        guard next != identity.registry else { return nil }
        identity.registry = next
        try store.identity.save(identity)
        await link.renew()
        return next
    }
}

extension AssignmentSync {
    /// Failures in a row after which another address is tried: one may be a restart.
    private static let failuresPerAddress = 3

    /// A registry that moved, or that shows another authority: what owners signed says where it is now.
    func lookElsewhere(_ error: any Error, failures: Int) async {
        guard let error = error as? ClientError else { return }
        if RegistryLink.isOfAuthorities(error) { refreshSignal.ring() }
        let isAway = [.cannotConnect, .cannotResolve, .timedOut, .connectionLost].contains(error.reason)
        guard isAway || RegistryLink.isOfAuthorities(error), failures.isMultiple(of: Self.failuresPerAddress) else {
            return
        }
        do {
            guard let address = try await trust.turnToNextAddress() else { return }
            logger.notice("the registry is tried at its next address", metadata: ["address": "\(address)"])
            refreshSignal.ring()
        } catch {
            logger.warning("no other address", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }
}
