package import MartletTypes

/// Where the gateway listens, as people write it: `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`.
package enum GatewayAddress {
    /// Host (IPv6 without brackets) and port; port 0 takes a free one.
    package static func parse(_ text: String) throws(InvalidValue) -> (host: String, port: Int) {
        let invalid = InvalidValue(kind: "gateway address", value: text, rule: "ADDRESS:PORT, e.g. 127.0.0.1:8080")
        guard let colon = text.lastIndex(of: ":") else { throw invalid }
        let digits = text[text.index(after: colon)...]
        var host = text[..<colon]
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else { throw invalid }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard host.utf8.allSatisfy({ isHexadecimal($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
            else {
                throw invalid
            }
        } else {
            guard host.utf8.allSatisfy(isHostByte) else { throw invalid }
        }
        guard !host.isEmpty else { throw invalid }
        return (String(host), Int(port))
    }

    /// The form that `parse` reads.
    package static func text(host: String, port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || ".-_".utf8.contains(byte)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
