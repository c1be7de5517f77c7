internal import AgentStore
internal import MartletTypes
internal import TUF
internal import Trust

/// How a box that never has a network becomes a device: its owner gives it the first root of the registry by hand.
///
/// It gets a name and no certificate. Its bundles are verified from that root; what they may bring without an
/// assignment is in its own policy.
package struct OfflineEnrolment: Sendable {
    /// The file with the root metadata.
    package var trustRoot: String
    /// The device's name.
    package var name: String
    /// Labels as `KEY=VALUE`, on top of the configuration's.
    package var labels: [String]
    /// The data folder; made with its parents where it is absent.
    package var data: String
    /// The configuration file that the device keeps.
    package var config: String?
    /// Whether an identity that is there is replaced.
    package var force: Bool

    package init(trustRoot: String, name: String, labels: [String], data: String, config: String?, force: Bool) {
        self.trustRoot = trustRoot
        self.name = name
        self.labels = labels
        self.data = data
        self.config = config
        self.force = force
    }

    /// What came of it.
    package struct Outcome: Sendable {
        /// The device's name.
        package let device: String
        /// The digest of the root, for a person to compare.
        package let root: String
        /// What the device should still be told; nil where all is well.
        package let warning: String?
    }

    /// Throws `alreadyEnrolled` without `force`, `rootMismatch` where the file is no root, `invalidValue`,
    /// `invalidConfiguration`, and `AgentStoreError` where the data folder cannot be used.
    package func carryOut() async throws -> Outcome {
        let device = try DeviceID(name)
        let configuration = try config.map { try AgentConfiguration.read(file: $0) } ?? AgentConfiguration()
        let labels = try EnrolmentOrder.merge(labels, onto: configuration.labels)
        let root = try readRoot()
        try EnrolmentOrder.makeFolders(data)
        let store = try await AgentStore.open(root: data, budget: configuration.disk)
        let result: Result<Outcome, any Error>
        do {
            result = .success(try enrol(device, labels, root, store))
        } catch {
            result = .failure(error)
        }
        await store.close()
        return try result.get()
    }

    private func enrol(_ device: DeviceID, _ labels: Labels, _ root: [UInt8], _ store: AgentStore) throws -> Outcome {
        let former = try store.identity.load()
        if let former, !force { throw Enrolment.alreadyEnrolled(former, data) }
        if let config { try AgentConfiguration.adopt(file: config, data: data) }
        let digest = Digest.of(root)
        let identity = DeviceIdentity(
            device: device, registry: "", rootDigest: digest, caFingerprint: "", certificate: "", authorities: [],
            notBefore: Timestamp(seconds: 0), notAfter: Timestamp(seconds: 0), labels: labels, key: "")
        if former?.rootDigest != digest { try Enrolment.forgetMetadata(store) }
        try store.identity.save(identity, root: root)
        let kept = try AgentConfiguration.load(data: data, options: AgentOptions())
        return Outcome(
            device: device.text, root: digest.text,
            warning: kept.policy.offlineInstall == .allowed
                ? nil
                : "The local policy does not allow bundles without an assignment, and no registry knows this device. "
                    + "Give "
                    + #"--config with e.g. {"policy": {"otherSlots": ["clinic/*"], "offlineInstall": "allowed"}}."#)
    }

    /// The root metadata, signed by its own keys; whether it is the right one only a person can tell.
    private func readRoot() throws -> [UInt8] {
        guard let bytes = try RealFileSystem().contents(of: trustRoot, limit: Limits.tufRootBytes) else {
            throw AgentError(
                .invalidConfiguration, "There is no file \(trustRoot).", remedy: "Check the path of --trust-root.")
        }
        do {
            _ = try TrustedMetadataSet(
                trustedRoot: bytes, limits: TUFClientLimits(), referenceTime: AgentClock.buildTime)
        } catch {
            throw AgentError(
                .rootMismatch, "\(trustRoot) is no root metadata: \(error.message)",
                remedy: "Give the registry's first root: `curl REGISTRY/tuf/1.root.json`.")
        }
        return bytes
    }
}
