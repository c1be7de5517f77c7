import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import Testing

@testable import RegistryServer

@Suite struct RouteTableTests {
    private static func table() -> RouteTable {
        RouteTable(
            [
                Route(.get, "/a/{x}", .open), Route(.get, "/a/fixed", .open), Route(.post, "/a/{x}", .open),
                Route(.get, "/r/{path+}", .open), Route(.post, "/r/block", .open), Route(.get, "/", .open),
                Route(.get, "/v2/", .open), Route(.put, "/r/{path+}", .open),
            ].map { Endpoint(route: $0, style: .api) { _ in Response(status: .ok) } })
    }

    private func found(_ method: HTTPRequest.Method, _ path: String) -> (String, [String: String])? {
        guard case .found(let endpoint, let parameters) = Self.table().match(method, path: path) else { return nil }
        return (endpoint.route.path, parameters)
    }

    @Test(
        "A path finds its route and its parameters, decoded once",
        arguments: [
            (HTTPRequest.Method.get, "/a/b", "/a/{x}", "x", "b"), (.get, "/a/b%2Fc", "/a/{x}", "x", "b/c"),
            (.get, "/a/%2541", "/a/{x}", "x", "%41"), (.get, "/r/n/m/1.0.0", "/r/{path+}", "path", "n/m/1.0.0"),
            (.head, "/a/b", "/a/{x}", "x", "b"), (.get, "/r/block", "/r/{path+}", "path", "block"),
        ])
    func matches(method: HTTPRequest.Method, path: String, route: String, name: String, value: String) throws {
        let match = try #require(found(method, path))
        #expect(match.0 == route && match.1[name] == value)
    }

    @Test("A literal segment wins over a parameter")
    func literals() {
        #expect(found(.get, "/a/fixed")?.0 == "/a/fixed")
        #expect(found(.post, "/r/block")?.0 == "/r/block")
        #expect(found(.get, "/")?.0 == "/" && found(.get, "/v2/")?.0 == "/v2/")
    }

    @Test("What is in no table is nothing", arguments: ["/b", "/a", "/a/", "/a/b/c", "/r/", "//a/b", "/A/b", "/v2"])
    func nothing(path: String) {
        guard case .none = Self.table().match(.get, path: path) else {
            Issue.record("\(path) was found")
            return
        }
    }

    @Test("Another method is told apart from another path")
    func methods() {
        guard case .otherMethods(let methods, _) = Self.table().match(.delete, path: "/a/b") else {
            Issue.record("no answer about methods")
            return
        }
        #expect(Set(methods) == [.get, .post])
    }

    @Test(
        "Broken escapes, bytes that are no UTF-8 and NUL are malformed",
        arguments: ["/a/%", "/a/%4", "/a/%zz", "/a/%ff", "/a/%00"])
    func malformed(path: String) {
        guard case .malformed = Self.table().match(.get, path: path) else {
            Issue.record("\(path) was taken")
            return
        }
    }

    @Test("An address to listen on is HOST:PORT")
    func addresses() throws {
        #expect(try ListenAddress("127.0.0.1:80") == ListenAddress(host: "127.0.0.1", port: 80))
        #expect(try ListenAddress("[::1]:0").isLoopback)
        #expect(try !ListenAddress("0.0.0.0:8080").isLoopback)
        for text in ["", "localhost", "localhost:", "localhost:99999", ":80", "a b:80", "localhost:-1"] {
            #expect(throws: (any Error).self) { try ListenAddress(text) }
        }
    }

    @Test(
        "A path below /v2/ is read as the distribution spec has it",
        arguments: [
            "clinic/triage/manifests/1.0.0", "clinic/triage/manifests/sha256:\(String(repeating: "a", count: 64))",
            "clinic/triage/blobs/uploads/", "clinic/triage/blobs/uploads/\(String(repeating: "a", count: 32))",
            "clinic/triage/tags/list", "clinic/a/b/c/tags/list",
        ])
    func ociPaths(path: String) throws {
        #expect(try OCIPath(path).repository.namespace == "clinic")
    }

    @Test(
        "A wrong path below /v2/ is refused with the specification's code",
        arguments: [
            ("clinic/triage/blobs/sha256:short", "DIGEST_INVALID"), ("clinic/triage/blobs/..", "DIGEST_INVALID"),
            ("Clinic/triage/tags/list", "NAME_INVALID"), ("clinic/../tags/list", "NAME_INVALID"),
            ("triage/tags/list", "NAME_INVALID"), ("clinic/triage/manifests/.hidden", "MANIFEST_UNKNOWN"),
            ("clinic/triage/manifests/\(String(repeating: "a", count: 129))", "MANIFEST_UNKNOWN"),
            ("clinic/triage", "NAME_UNKNOWN"), ("", "NAME_UNKNOWN"), ("_catalog", "NAME_UNKNOWN"),
        ])
    func wrongOCIPaths(path: String, code: String) {
        let error = #expect(throws: ServerError.self) { try OCIPath(path) }
        #expect(error?.code == code)
    }
}
