import MartletAPI
import MartletTypes

/// How values are written on pages, and which colour goes with a state.
enum PageWords {
    /// `rolledBack` as `rolled back`.
    static func words(_ name: String) -> String {
        name.reduce(into: "") { text, character in
            if character.isUppercase { text += " " }
            text += character.lowercased()
        }
    }

    static func time(_ time: Timestamp) -> String {
        String(Timestamp(seconds: time.seconds).description.replacing("T", with: " ").dropLast()) + " UTC"
    }

    /// `12 s ago`, `5 min ago`, `3 h ago`, `9 days ago`.
    static func ago(_ time: Timestamp?, now: Timestamp) -> String {
        guard let time else { return "never" }
        let seconds = max(0, (now - time).components.seconds)
        switch seconds {
        case ..<60: return "\(seconds) s ago"
        case ..<3600: return "\(seconds / 60) min ago"
        case ..<172_800: return "\(seconds / 3600) h ago"
        default: return "\(seconds / 86_400) days ago"
        }
    }

    static func references(_ paths: [ReleasePath]) -> String {
        paths.isEmpty ? "–" : paths.map(\.reference).joined(separator: " + ")
    }

    /// `0.97 (58 of 60)`.
    static func evaluation(_ result: EvaluationResult?) -> String {
        result.map { "\(ProofFigures.share($0.accuracy)) (\($0.correct) of \($0.rows))" } ?? "–"
    }

    static func why(_ code: String?, _ message: String?) -> String? {
        switch (code, message) {
        case (nil, nil): nil
        case (let code?, nil): words(code)
        case (nil, let message?): message
        case (let code?, let message?): "\(words(code)): \(message)"
        }
    }

    static func tone(_ state: DeviceRolloutState?) -> String {
        switch state {
        case .succeeded: "good"
        case .failed: "bad"
        case .rolledBack, .skipped, .unreachable: "warn"
        case .pending, .superseded, nil: "idle"
        case .offered, .downloading, .verifying, .probing, .switching, .soaking: "busy"
        }
    }

    static func tone(_ state: RolloutState) -> String {
        switch state {
        case .draft, .aborted: "idle"
        case .running: "busy"
        case .paused, .rollingBack: "warn"
        case .completed: "good"
        case .rolledBack: "bad"
        }
    }

    static func tone(_ state: ReleaseInfo.State) -> String {
        switch state {
        case .published: "good"
        case .blocked: "warn"
        case .yanked: "bad"
        }
    }

    static func number(_ value: Double) -> String {
        value >= 100 || value == value.rounded() ? String(Int(value.rounded())) : Chart.number(value)
    }
}
