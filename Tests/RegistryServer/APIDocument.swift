import Foundation
import HTTPTypes
import TestSupport
import Testing
import Yams

/// `registry/openapi/openapi.yaml` as tests walk it.
enum APIDocument {
    /// One operation of it.
    struct Operation: Sendable, CustomStringConvertible {
        let id: String
        let method: HTTPRequest.Method
        /// As in the routes: the last parameter of several segments is `{path+}`.
        let path: String
        let listeners: Set<String>
        let role: String
        /// Names of the limits that it holds.
        let limits: Set<String>
        let isDocumented: Bool

        var description: String { "\(method) \(path)" }
    }

    static func document() throws -> [String: Any] {
        let text = try String(contentsOfFile: Checkout.root + "/registry/openapi/openapi.yaml", encoding: .utf8)
        return try #require(try Yams.load(yaml: text) as? [String: Any])
    }

    static func operations() throws -> [Operation] {
        let paths = try #require(try document()["paths"] as? [String: [String: Any]])
        let methods: Set = ["get", "put", "post", "patch", "delete"]
        return try paths.sorted { $0.key < $1.key }.flatMap { path, item in
            try item.sorted { $0.key < $1.key }.compactMap { method, value -> Operation? in
                guard methods.contains(method), let operation = value as? [String: Any] else { return nil }
                let several = operation["x-martlet-segments"] as? String == "several"
                let listener = operation["x-martlet-listener"] as? String ?? "operator"
                return Operation(
                    id: operation["operationId"] as? String ?? "",
                    method: try #require(HTTPRequest.Method(method.uppercased())),
                    path: several ? path.replacing("{path}", with: "{path+}") : path,
                    listeners: listener == "both" ? ["operator", "device"] : [listener],
                    role: operation["x-martlet-role"] as? String ?? "none",
                    limits: Set(operation["x-martlet-limits"] as? [String] ?? []),
                    isDocumented: operation["summary"] is String && operation["operationId"] is String
                        && operation["responses"] is [String: Any])
            }
        }
    }
}
