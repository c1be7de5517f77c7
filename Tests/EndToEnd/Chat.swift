import Foundation
import MartletTypes
import TestSupport

/// One chat request with curl, as a user would try a gateway.
enum Chat {
    /// The HTTP status; 0 where nobody answered.
    static func ask(_ gateway: String, model: String, _ text: String) async throws -> Int {
        let body = #"{"model":"\#(model)","max_tokens":4,"messages":[{"role":"user","content":"\#(text)"}]}"#
        let result = try await run(
            "/usr/bin/curl",
            [
                "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30", "-H",
                "Content-Type: application/json",
                "-d", body, gateway + "/v1/chat/completions",
            ])
        return Int(result.output) ?? 0
    }
}

extension LoadRun {
    /// Lets at least `requests` requests pass, then stops. Each takes tens of milliseconds, when busy much more:
    /// each worker sends some in any case.
    func stopAfter(requests: Int) async throws -> Figures {
        try await Task.sleep(for: .milliseconds(60 * requests))
        let figures = try await stop()
        guard figures.sent >= requests else { throw NeverTrue(description: "only \(figures.sent) requests") }
        return figures
    }
}
