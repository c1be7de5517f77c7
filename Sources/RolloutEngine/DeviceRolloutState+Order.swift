internal import MartletTypes

extension DeviceRolloutState {
    /// Its place among all states: the stages of an installation in their order, then the ends.
    var order: Int {
        switch self {
        case .pending: 0
        case .offered: 1
        case .downloading: 2
        case .verifying: 3
        case .probing: 4
        case .switching: 5
        case .soaking: 6
        case .succeeded: 7
        case .failed: 8
        case .rolledBack: 9
        case .skipped: 10
        case .unreachable: 11
        case .superseded: 12
        }
    }

    /// The stage of an installation, all ends being one; a report that goes back in it came late.
    var stage: Int { min(order, Self.succeeded.order) }
}
