import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

/// The document against the routes and against the running registry: neither says what the other does not.
@Suite struct OpenAPITests {
    private static func role(_ access: Access) -> String {
        switch access {
        case .open: "open"
        case .atLeast(let role): role.rawValue
        case .device: "device"
        case .enrolling: "enrolling"
        }
    }

    @Test("Every route stands in the document with its role and its limits, and nothing else does")
    func routes() throws {
        let operations = try APIDocument.operations()
        for (listener, routes) in [("operator", OperatorRoutes.all), ("device", DeviceRoutes.all)] {
            let documented = Set(
                operations.filter { $0.listeners.contains(listener) }.map {
                    "\($0.method.rawValue) \($0.path) \($0.role) \($0.limits.sorted())"
                })
            let served = Set(
                routes.map {
                    "\($0.method.rawValue) \($0.path) \(Self.role($0.access)) \($0.limits.names.sorted())"
                })
            #expect(documented == served, "\(listener): \(documented.symmetricDifference(served).sorted())")
        }
        for operation in operations { #expect(operation.isDocumented, "\(operation.path)") }
    }

    @Test("Every reference in the document leads somewhere")
    func references() throws {
        let document = try APIDocument.document()
        func walk(_ value: Any) {
            if let members = value as? [String: Any] {
                if let reference = members["$ref"] as? String {
                    var place: Any? = document
                    for part in reference.dropFirst(2).split(separator: "/") {
                        place = (place as? [String: Any])?[String(part)]
                    }
                    #expect(place != nil, "\(reference)")
                }
                members.values.forEach(walk)
            } else if let elements = value as? [Any] {
                elements.forEach(walk)
            }
        }
        walk(document)
    }

    @Test(
        "Every documented operators' route answers with a status that the document knows, never as if it were not there"
    )
    func answers() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        _ = try await registry.publish("clinic/triage/1.0.0")
        _ = try await SimulatedDevice("box-1", at: registry)
        for route in OperatorRoutes.all where route != OperatorRoutes.target {
            let target = route.path(ScopeWalkTests.parameters)
            let reply = try await registry.call(
                route.method, target, fields: [.contentType: "application/json"],
                body: route.method == .get ? .none : .bytes(Array("{}".utf8)))
            #expect(reply.status != 405 && reply.status < 500, "\(route.method) \(target): \(reply.status)")
            if reply.status >= 400 {
                let problem = try JSONText.decode(Problem.self, from: reply.body)
                #expect(problem.code != "noRoute" && !problem.detail.isEmpty, "\(target)")
            }
        }
        let served = try await registry.call(.get, "/api/v1/openapi.yaml")
        #expect(String(decoding: served.body, as: UTF8.self).hasPrefix("openapi: 3.1.0"))
        try await registry.stop()
    }
}
