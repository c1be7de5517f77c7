internal import AgentStore
internal import MartletTypes

extension SlotMachine {
    /// Whether the slot has what the owner brought to this box, against the last assignment.
    var isLocal: Bool { record.override?.code == Self.localCode }

    /// Moves the slot to what the owner of this box brought: an override of the last assignment, which holds until a
    /// higher number changes the slot.
    mutating func install(_ target: SlotTarget, _ now: Timestamp, _ step: inout SlotStep) {
        // A later decision of the same owner, and of what failed another try.
        record.override = nil
        if !record.phase.isUnderWay { record.target = nil }
        assign(target, now, &step)
        record.override = SlotOverride(
            generation: target.generation, code: Self.localCode,
            message: "\(target.paths.map(\.reference).joined(separator: " + ")) was brought to this device.", time: now)
        step.reports.append(
            SlotReport(target: target, code: Self.localCode, message: record.override?.message ?? ""))
    }

    /// The override's code for it.
    static let localCode = "offlineInstall"
}
