import MartletTypes
import RegistryStore

extension RolloutService {
    /// What going back is for one slot.
    enum Way {
        case to(DesiredSlot)
        case none(String)
    }

    /// What one device goes back to.
    ///
    /// Where it does not yet run what is desired (the installation failed or is under way), going back is what it runs;
    /// else it is its previous generation, which is on its disk. Without an inventory the history of assignments says
    /// it.
    static func way(
        _ device: DeviceID, _ slot: SlotName, _ to: ReleasePath?, _ sql: any SQLConnection,
        _ verdicts: inout RestoreVerdicts
    ) throws -> Way {
        guard let row = try SlotStore(sql).slots(of: device)[slot], var desired = row.desired else {
            return .none("nothing is assigned to slot \(slot)")
        }
        let target: [ReleasePath]
        if let to {
            target = [to]
        } else if let reported = row.reported, !reported.current.isEmpty {
            target = reported.current != desired.releases ? reported.current : reported.previous
        } else {
            target =
                try AssignmentStore(sql).history(of: device)
                .first { $0.slot == slot && !$0.releases.isEmpty && $0.releases != desired.releases }?.releases ?? []
        }
        guard !target.isEmpty else { return .none("slot \(slot) has nothing to go back to") }
        guard target != desired.releases else { return .none("slot \(slot) is to run that already") }
        desired.releases = target
        if let refusal = try verdicts.refusal(of: desired) { return .none(refusal.message) }
        return .to(desired)
    }
}

/// Whether slots can be taken back to releases; each is looked at once, however many devices go there.
struct RestoreVerdicts {
    private let sql: any SQLConnection
    private var known: [[ReleasePath]: StoreError?] = [:]

    init(_ sql: any SQLConnection) { self.sql = sql }

    /// Why not; nil where they can.
    mutating func refusal(of desired: DesiredSlot) throws -> StoreError? {
        if let verdict = known[desired.releases] { return verdict }
        let verdict = try AssignmentStore(sql).refusal(of: desired, isRestore: true)
        known[desired.releases] = .some(verdict)
        return verdict
    }
}
