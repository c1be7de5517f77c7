package import MartletTypes

/// Scheme, host and port: the only place a client talks to (RFC 6454).
package struct Origin: ValidatedString {
    /// The two schemes that are spoken.
    package enum Scheme: String, Sendable {
        case http
        case https
    }

    /// The scheme.
    package let scheme: Scheme
    /// Host name or address, IPv6 in brackets, in lower case.
    package let host: String
    /// The port, the scheme's own where none was written.
    package let port: Int

    /// `scheme://host:port`, the port left out where it is the scheme's own.
    package var text: String {
        let usual = scheme == .https ? 443 : 80
        return port == usual ? "\(scheme.rawValue)://\(host)" : "\(scheme.rawValue)://\(host):\(port)"
    }

    package init(_ text: String) throws(InvalidValue) {
        let invalid = InvalidValue(
            kind: "registry address", value: text, rule: "https://HOST or https://HOST:PORT without a path")
        let pieces = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard pieces.count == 2, let scheme = Scheme(rawValue: pieces[0].lowercased()) else { throw invalid }
        var rest = pieces[1]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let hostEnd: Substring.Index
        if rest.hasPrefix("[") {
            guard let close = rest.firstIndex(of: "]") else { throw invalid }
            hostEnd = rest.index(after: close)
        } else {
            hostEnd = rest.firstIndex(of: ":") ?? rest.endIndex
        }
        let host = rest[..<hostEnd].lowercased()
        let tail = rest[hostEnd...]
        guard Self.isHost(host), tail.isEmpty || tail.hasPrefix(":") else { throw invalid }
        if tail.isEmpty {
            port = scheme == .https ? 443 : 80
        } else {
            guard tail.dropFirst().utf8.allSatisfy({ (48...57).contains($0) }), let port = Int(tail.dropFirst()),
                (1...65_535).contains(port)
            else { throw invalid }
            self.port = port
        }
        self.scheme = scheme
        self.host = host
    }

    /// Whether it is this very machine, so that nothing crosses a network.
    package var isLoopback: Bool {
        host == "localhost" || host == "[::1]" || (host.hasPrefix("127.") && host.utf8.allSatisfy(Self.isAddressByte))
    }

    /// The path and query of `location` (a `Location` field) where it stays at this origin; nil where it leaves it.
    package func target(of location: String) -> String? {
        if location.hasPrefix("/") { return location.hasPrefix("//") ? nil : location }
        guard let schemeEnd = location.firstRange(of: "://"),
            let path = location[schemeEnd.upperBound...].firstIndex(where: { $0 == "/" || $0 == "?" || $0 == "#" }),
            location[path] == "/", let origin = try? Origin(String(location[..<path])), origin == self
        else { return nil }
        return String(location[path...])
    }

    private static func isHost(_ host: String) -> Bool {
        if host.hasPrefix("[") {
            return host.dropFirst().dropLast().utf8.allSatisfy {
                isAddressByte($0) || $0 == UInt8(ascii: ":") || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            } && host.utf8.count > 3
        }
        return (1...Limits.repositoryNameBytes).contains(host.utf8.count)
            && host.utf8.allSatisfy {
                isAddressByte($0) || $0 == UInt8(ascii: "-") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
            }
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".")
    }
}
