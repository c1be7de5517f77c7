internal import AgentStore
internal import MartletTypes
internal import Trust

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

    /// The override's code for a way back that somebody on this box wanted.
    static let rollbackCode = "localRollback"

    /// What a way back would bring now: of an installation at work what is committed, else what was before that. Nil
    /// where there is nothing, or where it went back already.
    static func wayBack(of record: SlotRecord) -> GenerationRecord? {
        if record.phase.isUnderWay { return record.current }
        let isBack = [rollbackCode, SlotFailure.crashLoop].contains(record.override?.code)
        return isBack ? nil : record.previous
    }

    /// Goes back to what served before: an override of the last assignment, which holds until a higher number changes
    /// the slot.
    mutating func sendBack(_ who: String, _ now: Timestamp, _ random: Double, _ step: inout SlotStep) {
        guard let back = Self.wayBack(of: record), takenBack.refusal(of: back.releases)?.isFinal != true else { return }
        let names = back.paths.map(\.reference).joined(separator: " + ")
        let message = "It was sent back to \(names) on this device, by \(who)."
        if record.phase.isUnderWay {
            fail(SlotFailure(.final, code: Self.rollbackCode, message: message), now, random, &step)
            return
        }
        guard let current = record.current else { return }
        if record.phase.isWaiting { step.actions.append(.cancelWork) }
        settle()
        record.previous = current
        record.current = back
        record.override = SlotOverride(
            generation: record.target?.generation ?? current.assigned, code: Self.rollbackCode, message: message,
            time: now)
        step.reports.append(SlotReport(target: record.target, code: Self.rollbackCode, message: message))
        move(to: .failed, [.point(current: back.id, previous: current.id), .serve(back)], &step)
    }
}
