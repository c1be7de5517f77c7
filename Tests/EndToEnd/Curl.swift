import Foundation
import TestSupport

/// Requests as anybody makes them who has no program of ours.
enum Curl {
    struct Answer: Sendable {
        let status: Int
        let body: String
    }

    /// One request; status 0 where nobody answered. Further options are curl's own.
    static func get(_ address: String, token: String? = nil, _ options: String...) async throws -> Answer {
        try await ask(address, token: token, options)
    }

    /// The same with its options in an array.
    static func ask(_ address: String, token: String? = nil, _ options: [String]) async throws -> Answer {
        let authorization = token.map { ["-H", "Authorization: Bearer \($0)"] } ?? []
        let result = try await run(
            "/usr/bin/curl",
            ["-s", "-k", "--max-time", "60", "-w", "\n%{http_code}"] + authorization + options + [address])
        let end = result.output.lastIndex(of: "\n") ?? result.output.startIndex
        return Answer(
            status: Int(result.output[end...].trimmingCharacters(in: .newlines)) ?? 0,
            body: String(result.output[..<end]))
    }

    /// The statuses of the same request many times over one connection.
    static func statuses(_ address: String, times count: Int, _ options: [String]) async throws -> [Int] {
        let separator = address.contains("?") ? "&" : "?"
        let result = try await run(
            "/usr/bin/curl",
            ["-s", "-k", "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code}\n"] + options
                + ["\(address)\(separator)time=[1-\(count)]"])
        return result.output.split(separator: "\n").compactMap { Int($0) }
    }
}
