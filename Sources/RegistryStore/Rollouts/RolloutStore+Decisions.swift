package import MartletTypes
package import RolloutEngine

extension RolloutStore {
    /// Keeps a decision with its numbers.
    package func append(_ decision: RolloutDecision, to id: RolloutID) throws {
        let last = try sql.first("SELECT MAX(number) AS last FROM rollout_decisions WHERE rollout = ?", [.text(id)])
        try sql.execute(
            "INSERT INTO rollout_decisions (rollout, number, time, action, reason, detail) VALUES (?, ?, ?, ?, ?, ?)",
            [
                .text(id), .integer((try last?.optionalInteger("last") ?? 0) + 1), .time(decision.time),
                .text(decision.action.rawValue), .text(decision.reason), try .json(decision.figures),
            ])
    }

    /// A rollout's decisions in their order: all, or the newest `limit`.
    package func decisions(_ id: RolloutID, newest limit: Int? = nil) throws -> [RolloutDecision] {
        try sql.query(
            "SELECT * FROM rollout_decisions WHERE rollout = ? ORDER BY number DESC LIMIT ?",
            [.text(id), .integer(Int64(limit ?? StoreLimits.decisionsPerRollout))]
        ).reversed().map {
            RolloutDecision(
                time: try $0.time("time"), action: try $0.choice("action"), reason: try $0.text("reason"),
                figures: try $0.optionalJSON("detail"))
        }
    }
}
