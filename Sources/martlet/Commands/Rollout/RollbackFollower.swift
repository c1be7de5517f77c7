import MartletAPI
import MartletTypes

/// Waits until a rollback of many devices has told all of them.
struct RollbackFollower {
    let session: Session
    let until: ContinuousClock.Instant

    /// Returns at once where nothing follows. Throws `waitFailed` after the given moment.
    func follow(_ answer: RollbackAnswer, _ rollout: RolloutID?) async throws {
        guard answer.following != nil else { return }
        while try await isUnderWay(answer.rollback, rollout) {
            guard ContinuousClock.now < until else {
                throw CommandError(
                    "waitFailed", "Not all devices were told to go back in time.",
                    remedy: "The registry goes on by itself; see `martlet devices list`.", fault: .peer)
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func isUnderWay(_ rollback: String?, _ rollout: RolloutID?) async throws -> Bool {
        if let rollback {
            let progress = try await session.get(
                OperatorRoutes.rollbackProgress, ["rollback": rollback], as: RollbackProgress.self)
            return progress.finished == nil
        }
        guard let rollout else { return false }
        let info = try await session.get(
            OperatorRoutes.rollout, ["rollout": rollout.text], as: RolloutInfo.self)
        return info.state == .rollingBack
    }
}
