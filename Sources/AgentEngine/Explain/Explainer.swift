package import AgentStore
internal import BundleFormat
internal import DeviceProfiles
internal import MartletAPI
internal import MartletTypes
internal import RegistryClient
internal import TUF
internal import Trust

/// Explains slots and releases from the journal, the plan's own code and the metadata on this device. Changes nothing;
/// asks the registry only about a release of which too little is here.
package struct Explainer: Sendable {
    private let store: AgentStore
    private let trust: TrustKeeper
    private let installer: ReleaseInstaller
    private let problems: DeviceProblems
    private let snapshots: @Sendable () async -> [SlotSnapshot]

    private var clock: AgentClock { installer.clock }
    private var policy: LocalPolicy { installer.policy }
    private var profile: DeviceProfile { installer.hardware.profile }

    /// `snapshots` are the slots as they are now.
    package init(
        store: AgentStore, trust: TrustKeeper, installer: ReleaseInstaller, problems: DeviceProblems,
        snapshots: @escaping @Sendable () async -> [SlotSnapshot]
    ) {
        self.store = store
        self.trust = trust
        self.installer = installer
        self.problems = problems
        self.snapshots = snapshots
    }

    /// Explains a slot, a release (`clinic/triage:1.2.0`), or with nil all slots. Throws `unknownSlot`, `invalidValue`.
    package func explain(_ subject: String?) async throws -> Explanation {
        guard let device = try store.identity.load()?.device else { throw AgentError.notEnrolled }
        var explanation = Explanation(device: device, profile: profile.id, slots: [], releases: [])
        let slots = await snapshots()
        if let subject, subject.contains("/") {
            guard case .version(let path) = try ReleaseReference(subject) else {
                throw InvalidValue(
                    kind: "release", value: subject, rule: "NAMESPACE/NAME:VERSION; the registry resolves aliases")
            }
            explanation.releases = [await release(path, slots)]
            return explanation
        }
        let name = try subject.map { try SlotName($0) }
        let asked = slots.filter { name == nil || $0.record.slot == name }
        if let name, asked.isEmpty { throw Self.unknown(name, slots) }
        let around = await surroundings()
        for snapshot in asked {
            var slot = Explanation.Slot(snapshot.record, serving: snapshot.serving, policy: policy, around)
            slot.releases = await releases(of: snapshot)
            explanation.slots.append(slot)
        }
        return explanation
    }

    private static func unknown(_ slot: SlotName, _ slots: [SlotSnapshot]) -> AgentError {
        let names = slots.map(\.record.slot.text).sorted().joined(separator: ", ")
        return AgentError(
            .unknownSlot, "This device has no slot \(slot).",
            remedy: names.isEmpty ? "No assignment names any slot yet." : "Its slots: \(names).")
    }

    private func surroundings() async -> Explanation.Slot.Surroundings {
        // A disk that takes nothing stops every installation; metadata that cannot be followed stops those that need
        // it.
        let problem = await problems.all().sorted { $0.code > $1.code }.first
        return .init(
            clockDistrust: clock.distrust,
            problem: problem.map { .init(code: $0.code, message: $0.message, remedy: $0.remedy) },
            takenBack: store.takenBack.current)
    }

    // MARK: Releases

    /// What a slot shall run, else what it runs.
    private func releases(of snapshot: SlotSnapshot) async -> [Explanation.Release] {
        let record = snapshot.record
        guard let assigned = record.target?.assignment.releases ?? record.current?.releases, let first = assigned.first
        else { return [] }
        let settings = record.target?.assignment.settings ?? record.current?.settings ?? SlotSettings()
        var release = blank(first.path, in: record.slot)
        do {
            var indexes: [ReleaseIndex] = []
            for wanted in assigned {
                let found = try await installer.look(at: wanted)
                indexes.append(found.index)
                release.source = found.isHere && release.source != "registry" ? "device" : "registry"
            }
            try await weigh(indexes, settings, snapshot, &release)
        } catch {
            release.refused = Self.reason(error, first.path)
        }
        return [release] + assigned.dropFirst().map { blank($0.path, in: record.slot) }
    }

    private func release(_ path: ReleasePath, _ slots: [SlotSnapshot]) async -> Explanation.Release {
        let home = slots.first { $0.record.names(path) }
        var release = blank(path, in: home?.record.slot)
        do {
            let known = home?.record.assigned(path)
            guard let assigned = if let known { known } else { try await published(path) } else {
                release.refused = .init(
                    "notPublished", "\(path.reference) is not published, or its signature was withdrawn.")
                return release
            }
            let found = try await installer.look(at: assigned)
            release.source = found.isHere ? "device" : "registry"
            let record = home?.record
            let settings = record?.target?.assignment.settings ?? record?.current?.settings ?? SlotSettings()
            try await weigh([found.index], settings, home, &release)
        } catch {
            release.refused = Self.reason(error, path)
        }
        if let refusal = store.takenBack.current.refusal(of: path) {
            release.refused = .init(refusal.code, refusal.message)
        } else if let refusal = policyRefusal(of: path, in: home?.record.slot) {
            release.refused = .init("policyRefused", refusal)
        }
        return release
    }

    /// Which release a publisher signed under the path, by the metadata on this device, else by the registry's.
    private func published(_ path: ReleasePath) async throws -> AssignedRelease? {
        do {
            if let file = try await trust.cachedClient()?.target(path.text) { return try file.release(path) }
        } catch is TUFError {
            // What is here is not enough to tell: the part of the metadata that names it was never needed.
        }
        do {
            try await trust.refresh()
            return try await trust.tuf.target(path.text)?.release(path)
        } catch {
            guard TrustKeeper.isTransport(error) else { throw error }
            throw SlotFailure(
                .transport, code: "registryNeeded",
                message: "This device has never heard of \(path.reference), and the registry cannot be asked: "
                    + ErrorSummary(error).message)
        }
    }

    private func blank(_ path: ReleasePath, in slot: SlotName?) -> Explanation.Release {
        Explanation.Release(
            path: path, source: nil, refused: nil, slot: slot, preferences: profile.preferredQuantizations.map(\.name),
            memoryRoom: nil, diskRoom: nil, variants: [], omitted: 0)
    }

    private func weigh(
        _ indexes: [ReleaseIndex], _ settings: SlotSettings, _ home: SlotSnapshot?, _ release: inout Explanation.Release
    ) async throws {
        let indexes = indexes.filter { $0.kind == .model || $0.kind == .adapter }
        guard let index = indexes.first else { return }
        let record = if let home { home.record } else { SlotRecord(slot: try SlotName("new")) }
        let survey = try await installer.survey(indexes, settings: settings, record: record, anew: false)
        let shown = [record.current, record.candidate, record.previous].compactMap(\.self)
            .first { $0.id == home?.serving }
        release.memoryRoom = survey.memoryRoom
        release.diskRoom = survey.diskRoom
        release.variants = zip(index.variants, survey.choice.verdicts).prefix(VariantStanding.mostShown)
            .map { entry, verdict in
                VariantStanding(
                    verdict, fileSize: entry.fileSize,
                    runs: shown?.variants.contains(entry.descriptor.digest) ?? false, profile: profile)
            }
        release.omitted = index.variants.count - release.variants.count
        if survey.choice.chosen == nil {
            release.refused = .init("noVariantFits", "No variant of \(release.path.reference) fits this device now.")
        }
    }

    /// Whether the owner lets the release run in its slot, or where it has none, in any.
    private func policyRefusal(of path: ReleasePath, in slot: SlotName?) -> String? {
        guard !policy.allows(path.repository, in: slot) else { return nil }
        let which = slot.map { "slot \($0)" } ?? "no slot"
        return "This device's own policy lets \(which) \(slot == nil ? "" : "not ")run \(path.repository)."
    }

    private static func reason(_ error: any Error, _ path: ReleasePath) -> Explanation.Reason {
        if let failure = error as? SlotFailure { return .init(failure.code, failure.message) }
        let summary = ErrorSummary(error)
        guard let error = error as? ClientError else { return .init(summary.code, summary.message) }
        if TrustKeeper.isTransport(error) {
            return .init(
                "registryNeeded",
                "The index of \(path.reference) is not on this device, and the registry cannot be asked: "
                    + summary.message)
        }
        guard [401, 403, 404].contains(error.status) else { return .init(summary.code, summary.message) }
        return .init(
            "indexNotReadable",
            "The registry does not show this device the index of \(path.reference), which is not assigned to it.")
    }
}

extension SlotRecord {
    fileprivate func assigned(_ path: ReleasePath) -> AssignedRelease? {
        let all = [target?.assignment.releases, current?.releases, candidate?.releases, previous?.releases]
        return all.compactMap(\.self).joined().first { $0.path == path }
    }

    fileprivate func names(_ path: ReleasePath) -> Bool { assigned(path) != nil }
}

extension TargetFile {
    /// The release that a publisher signed under a path. Throws `InvalidValue` where its digest is none.
    fileprivate func release(_ path: ReleasePath) throws -> AssignedRelease? {
        guard let hash = hashes["sha256"] else { return nil }
        return AssignedRelease(path: path, indexDigest: try Digest("sha256:" + hash.lowercased()), length: length)
    }
}
