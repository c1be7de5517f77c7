private import Glibc

/// Checks hosts before they enter a certificate.
enum HostName {
    /// `IP:…` or `DNS:…` in the syntax of x509v3_config(5); the check leaves no character that means something there.
    static func alternativeName(of host: String) throws(TrustError) -> String {
        var address = in6_addr()
        if inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1 { return "IP:" + host }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        guard host.utf8.count <= 253, labels.allSatisfy(isLabel) else {
            throw TrustError(.badHost, "\"\(host.prefix(80))\" is neither a DNS name nor an IP address.")
        }
        return "DNS:" + host.lowercased()
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
            && label.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
