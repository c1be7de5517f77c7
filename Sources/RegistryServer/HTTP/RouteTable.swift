import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes

/// Answers one request of one route.
typealias Handler = @Sendable (Exchange) async throws -> Response

/// How a route speaks: how its caller proves who it is, and what its errors look like.
enum RouteStyle: Sendable {
    /// Bearer tokens or device certificates; RFC 9457 problems.
    case api
    /// Bearer tokens, also as a Basic password; errors of the OCI distribution spec.
    case oci
    /// A session cookie; redirects to the login and HTML errors.
    case page
}

/// A route with its handler.
struct Endpoint: Sendable {
    let route: Route
    let style: RouteStyle
    let handler: Handler
}

/// All routes of one listener. What is not in it does not exist.
struct RouteTable: Sendable {
    enum Match: Sendable {
        case found(Endpoint, [String: String])
        /// The path exists with other methods only.
        case otherMethods([HTTPRequest.Method], RouteStyle)
        case none
        /// The path is not validly percent-encoded.
        case malformed
    }

    private struct Pattern: Sendable {
        enum Segment: Sendable {
            case literal(String)
            case parameter(String)
            case rest(String)
        }

        let segments: [Segment]
        let endpoint: Endpoint

        init(_ endpoint: Endpoint) {
            self.endpoint = endpoint
            segments = endpoint.route.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
                guard $0.hasPrefix("{"), $0.hasSuffix("}") else { return .literal(String($0)) }
                let name = $0.dropFirst().dropLast()
                return name.hasSuffix("+") ? .rest(String(name.dropLast())) : .parameter(String(name))
            }
        }

        func match(_ path: [String]) -> [String: String]? {
            var parameters: [String: String] = [:]
            for (index, segment) in segments.enumerated() {
                guard index < path.count else { return nil }
                switch segment {
                case .literal(let text):
                    guard path[index] == text else { return nil }
                case .parameter(let name):
                    guard !path[index].isEmpty else { return nil }
                    parameters[name] = path[index]
                case .rest(let name):
                    guard !path[index].isEmpty else { return nil }
                    parameters[name] = path[index...].joined(separator: "/")
                    return parameters
                }
            }
            return segments.count == path.count ? parameters : nil
        }

        /// Literal routes stand before those with parameters, so that `/releases/block` is never a release.
        var rank: Int {
            segments.reduce(0) { sum, segment in
                switch segment {
                case .literal: sum * 3
                case .parameter: sum * 3 + 1
                case .rest: sum * 3 + 2
                }
            }
        }
    }

    private let patterns: [Pattern]

    init(_ endpoints: [Endpoint]) {
        patterns = endpoints.map(Pattern.init).sorted { $0.rank < $1.rank }
    }

    /// Every route that is served.
    var routes: [Route] { patterns.map(\.endpoint.route) }

    /// Finds the endpoint; HEAD is answered by GET's handler where it has none of its own.
    func match(_ method: HTTPRequest.Method, path: String) -> Match {
        var segments: [String] = []
        for segment in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let decoded = PercentDecoding.decode(segment) else { return .malformed }
            segments.append(decoded)
        }
        var others: [HTTPRequest.Method] = []
        var style = RouteStyle.api
        var viaGet: Match?
        for pattern in patterns {
            guard let parameters = pattern.match(segments) else { continue }
            if pattern.endpoint.route.method == method { return .found(pattern.endpoint, parameters) }
            if method == .head, pattern.endpoint.route.method == .get, viaGet == nil {
                viaGet = .found(pattern.endpoint, parameters)
            }
            others.append(pattern.endpoint.route.method)
            style = pattern.endpoint.style
        }
        if let viaGet { return viaGet }
        return others.isEmpty ? .none : .otherMethods(others, style)
    }
}

/// Percent-decoding, once, of one path segment or query value (RFC 3986 section 2.1).
enum PercentDecoding {
    /// The decoded text; nil for a broken escape, for bytes that are not UTF-8 and for NUL.
    static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var source = text.utf8.makeIterator()
        while let byte = source.next() {
            if byte == UInt8(ascii: "%") {
                guard let high = source.next(), let low = source.next(),
                    let value = Hex.decode(String(decoding: [high, low], as: UTF8.self))?.first
                else { return nil }
                bytes.append(value)
            } else if plusIsSpace, byte == UInt8(ascii: "+") {
                bytes.append(UInt8(ascii: " "))
            } else {
                bytes.append(byte)
            }
        }
        guard !bytes.contains(0) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}
