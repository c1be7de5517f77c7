internal import AgentStore
internal import BundleFormat
internal import MartletTypes
internal import Trust

extension ReleaseInstaller {
    /// The plan for another program of the agent.
    func planAgent(_ index: ReleaseIndex, _ target: SlotTarget, _ record: SlotRecord) async throws -> InstallPlan {
        guard let release = target.assignment.releases.first else { throw Self.nothingAssigned }
        let entry = try build(of: index, release, room: try await store.blobs.room())
        let manifest = try await program(of: entry, .agent, release)
        let choice = AgentChoice(
            release: release, entry: entry, digest: manifest.layer.digest, size: manifest.layer.size)
        let item = item(choice.digest, choice.size, release)
        let isInstalled = record.kept.contains { known in
            known.releases == target.assignment.releases && item.source == .present
        }
        var plan = InstallPlan(
            slot: record.slot, target: target, variants: [], items: [item], isInstalled: isInstalled)
        plan.agent = choice
        try await makeRoom(for: plan.items)
        return plan
    }

    /// The generation of an agent: its program and nothing that an engine would need.
    func record(of choice: AgentChoice, _ plan: InstallPlan, id: GenerationID) -> GenerationRecord {
        let assignment = plan.target.assignment
        let name = ProgramFolder.name
        return GenerationRecord(
            id: id, slot: plan.slot, assigned: plan.target.generation, rollout: assignment.rollout,
            releases: assignment.releases, settings: assignment.settings, engine: choice.entry.engine,
            variants: plan.contents,
            files: [GenerationFile(role: .program, name: name, digest: choice.digest, size: choice.size)],
            documents: choice.documents,
            shape: .opaque(format: "agent", name: name, fileSize: choice.size), created: clock.now)
    }

    static let nothingAssigned = SlotFailure(
        .final, code: "emptyAssignment", message: "The slot's assignment names no release.")
}
